// Files in the directories that the operator granted, by the grant's name and a path below it.

import { Failed, failure } from './errors.js';
import { ask, bytes, decode, host } from './host.js';

const WORDS = {
  'no-such-grant': () => {
    const names = grants().map((name) => `\`${name}\``);
    const there = names.length ? `there are ${names.join(' ')}` : 'the operator granted this tool no directory';
    return `no such grant; ${there}`;
  },
  'read-only': 'it was granted for reading only',
  'invalid-path': (how) => `not a valid path: ${how}`,
  'not-found': 'nothing is there',
  exists: 'something is there already',
  'wrong-kind': 'it is not a file where one is needed, or not a directory',
  'not-empty': 'the directory is not empty',
  'too-large': 'the file is, or would become, larger than the host allows',
};

const on = (operation, grant, path, ...more) =>
  ask('files', operation, [grant, path, ...more], (thrown) =>
    failure(thrown, `cannot ${operation} \`${path}\` in \`${grant}\``, WORDS),
  );

const entry = ({ name, kind, size }) => ({ name, kind, size: Number(size) });

export const grants = () => host('files').grants().map(({ name }) => name);

export const mode = (grant) => host('files').grants().find(({ name }) => name === grant)?.mode;

export const read = (grant, path) => on('read', grant, path);

export function readText(grant, path) {
  const text = decode(read(grant, path));
  if (text === undefined) {
    throw new Failed(`cannot read \`${path}\` in \`${grant}\`: it is not text in UTF-8`, { code: 'malformed' });
  }
  return text;
}

export function readJson(grant, path) {
  try {
    return JSON.parse(readText(grant, path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Failed(`cannot read \`${path}\` in \`${grant}\`: it is not JSON`, { code: 'malformed', cause: error });
  }
}

export const list = (grant, path = '') => on('list', grant, path).map(entry);

export const stat = (grant, path) => entry(on('stat', grant, path));

export function exists(grant, path) {
  try {
    stat(grant, path);
    return true;
  } catch (error) {
    if (error.code === 'not-found') return false;
    throw error;
  }
}

export const write = (grant, path, data) => on('write', grant, path, bytes(data));

export const create = (grant, path, data) => on('create', grant, path, bytes(data));

export const append = (grant, path, data) => on('append', grant, path, bytes(data));

export const remove = (grant, path) => on('delete', grant, path);
