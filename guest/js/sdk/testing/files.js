// Grants in memory.

import { bytes, decode } from '../host.js';
import { refuse } from './values.js';

const grants = new Map();

export const reset = () => grants.clear();

/** A directory that is granted to the tool under test. */
class TestGrant {
  files = new Map();
  directories = new Set(['']);
  refusal = undefined;

  constructor(mode) {
    this.mode = mode;
  }

  put(path, data) {
    for (let parent = path; parent.includes('/'); ) {
      parent = parent.slice(0, parent.lastIndexOf('/'));
      this.directories.add(parent);
    }
    this.files.set(path, bytes(data));
    return this;
  }

  text(path) {
    const data = this.files.get(path);
    return data && decode(data);
  }

  paths() {
    return [...this.files.keys()].sort();
  }

  deny(reason) {
    this.refusal = reason;
  }
}

/** Grants an empty directory. */
export function grant(name, mode = 'read-write') {
  if (!['read-only', 'read-write'].includes(mode)) throw new TypeError(`there is no mode \`${mode}\``);
  const made = new TestGrant(mode);
  grants.set(name, made);
  return made;
}

function open(name, path, isWrite) {
  const segments = path === '' ? [] : path.split('/');
  if (/[\p{Cc}\\]/u.test(path) || segments.some((segment) => ['', '.', '..'].includes(segment))) {
    throw { tag: 'invalid-path', val: 'write it with `/`, without `.`, `..` and empty segments' };
  }
  const found = grants.get(name);
  if (found === undefined) throw { tag: 'no-such-grant' };
  if (found.refusal !== undefined) refuse(found.refusal);
  if (isWrite && found.mode === 'read-only') throw { tag: 'read-only' };
  return found;
}

function put(found, path, data) {
  const parents = [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index));
  if (found.directories.has(path) || parents.some((parent) => found.files.has(parent))) throw { tag: 'wrong-kind' };
  if (data.length > 8 << 20) throw { tag: 'too-large' };
  found.put(path, Uint8Array.from(data));
}

const named = (path) => path.slice(path.lastIndexOf('/') + 1);
const parent = (path) => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const file = (path, data) => ({ name: named(path), kind: 'file', size: BigInt(data.length) });
const directory = (path) => ({ name: named(path), kind: 'directory', size: 0n });

/** The functions of the WIT's `files`. */
export const host = {
  grants: () => [...grants].sort().map(([name, { mode }]) => ({ name, mode })),
  read(name, path) {
    const found = open(name, path, false);
    const data = found.files.get(path);
    if (data === undefined) throw { tag: found.directories.has(path) ? 'wrong-kind' : 'not-found' };
    return Uint8Array.from(data);
  },
  write: (name, path, data) => put(open(name, path, true), path, data),
  create(name, path, data) {
    const found = open(name, path, true);
    if (found.directories.has(path) || found.files.has(path)) throw { tag: 'exists' };
    put(found, path, data);
  },
  append(name, path, data) {
    const found = open(name, path, true);
    put(found, path, [...(found.files.get(path) ?? []), ...data]);
  },
  list(name, path) {
    const found = open(name, path, false);
    if (found.files.has(path)) throw { tag: 'wrong-kind' };
    if (!found.directories.has(path)) throw { tag: 'not-found' };
    const files = [...found.files].filter(([whole]) => parent(whole) === path).map(([whole, data]) => file(whole, data));
    const below = [...found.directories].filter((whole) => whole !== '' && parent(whole) === path).map(directory);
    return [...files, ...below].sort((a, b) => (a.name < b.name ? -1 : 1));
  },
  stat(name, path) {
    const found = open(name, path, false);
    const data = found.files.get(path);
    if (data !== undefined) return file(path, data);
    if (!found.directories.has(path)) throw { tag: 'not-found' };
    return directory(path);
  },
  delete(name, path) {
    const found = open(name, path, true);
    if (found.files.delete(path)) return;
    if (!found.directories.has(path)) throw { tag: 'not-found' };
    const others = [...found.files.keys(), ...found.directories];
    if (path === '' || others.some((other) => other.startsWith(`${path}/`))) throw { tag: 'not-empty' };
    found.directories.delete(path);
  },
};
