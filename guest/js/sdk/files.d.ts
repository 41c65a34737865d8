/** A directory entry. */
export interface Entry {
  /** The last segment of its path. */
  name: string;
  kind: 'file' | 'directory';
  /** In bytes; 0 for a directory. */
  size: number;
}

/** The names of what was granted. */
export function grants(): string[];
/** What a grant allows at most; undefined if there is none. */
export function mode(grant: string): 'read-only' | 'read-write' | undefined;
/** The whole content of a file. Like all functions here it throws a `TollgateError`, with a `code` such as `not-found`. */
export function read(grant: string, path: string): Uint8Array;
/** The whole content of a file in UTF-8. */
export function readText(grant: string, path: string): string;
/** The value in a file of JSON. */
export function readJson(grant: string, path: string): any;
/** What is in a directory, sorted by name; without a path, in the grant's own. */
export function list(grant: string, path?: string): Entry[];
/** What is at a path, without reading it. */
export function stat(grant: string, path: string): Entry;
/** Whether something is at a path. */
export function exists(grant: string, path: string): boolean;
/** Replaces a file's content, or creates it, with missing directories above it. */
export function write(grant: string, path: string, data: string | Uint8Array): void;
/** The same, but throws the code `exists` if something is there. Of several callers, one succeeds. */
export function create(grant: string, path: string, data: string | Uint8Array): void;
/** Adds to the end of a file, or creates it. */
export function append(grant: string, path: string, data: string | Uint8Array): void;
/** Removes a file or an empty directory. */
export function remove(grant: string, path: string): void;
