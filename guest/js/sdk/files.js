// Files in the directories that the operator granted, by the grant's name and a path below it.

import * as host from 'tollgate:adapter/files@0.1.0';
import { Denied, Failed } from './tollgate.js';

function asked(operation, grant, path, ...more) {
  try {
    return host[operation](grant, path, ...more);
  } catch (error) {
    const { tag, val } = error.payload ?? error;
    if (tag === 'denied') throw new Denied(`${val.reason} (decision ${val.decision})`);
    if (tag === undefined) throw error;
    throw new Failed(`${path} in ${grant}: ${val ?? tag}`);
  }
}

const bytes = (data) => (typeof data === 'string' ? new TextEncoder().encode(data) : data);

/** The names of what was granted. */
export const grants = () => host.grants().map(({ name }) => name);

/** The whole content of a file, as bytes. */
export const read = (grant, path) => asked('read', grant, path);

/** The whole content of a file in UTF-8. */
export const readText = (grant, path) => new TextDecoder().decode(read(grant, path));

/** What is in a directory: each entry with `name`, `kind` and `size`. */
export const list = (grant, path = '') => asked('list', grant, path);

/** Replace a file's content, or create it. */
export const write = (grant, path, data) => asked('write', grant, path, bytes(data));

/** Add to the end of a file, or create it. */
export const append = (grant, path, data) => asked('append', grant, path, bytes(data));

/** Remove a file or an empty directory. */
export const remove = (grant, path) => asked('delete', grant, path);
