/** Small values by key. All functions throw a `TollgateError`, with a `code` such as `too-large` or `full`. */
export interface Store {
  /** The value of a key; undefined if there is none. */
  get(key: string): Uint8Array | undefined;
  /** The same as text in UTF-8. */
  getText(key: string): string | undefined;
  /** The same as JSON. */
  getJson(key: string): any;
  /** Sets the value of a key: at most 64 KiB. */
  set(key: string, value: string | Uint8Array): void;
  setJson(key: string, value: unknown): void;
  /** Removes a key. Returns whether it existed. */
  delete(key: string): boolean;
  /** The keys that begin with a text, sorted. */
  keys(prefix?: string): string[];
  /** Sets the value if it is still `expected`; undefined means that there is none. Returns whether it was set. */
  compareAndSet(key: string, expected: string | Uint8Array | undefined, value: string | Uint8Array): boolean;
}

/** For the calls of this run. */
export const run: Store;
/** For all calls of this component, also of other runs and users. */
export const adapter: Store;
