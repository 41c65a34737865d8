/** The most bytes at once. */
export const MAX_BYTES: number;
/** Random bytes. Throws the code `too-many` or `unavailable`. */
export function bytes(count: number): Uint8Array<ArrayBuffer>;
/** A random UUID. */
export function uuid(): string;
