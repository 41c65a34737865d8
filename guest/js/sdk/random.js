// Random bytes, suitable for keys and tokens. In a component, `crypto.getRandomValues` gives them as well.

import { failure } from './errors.js';
import { ask } from './host.js';

/** The most bytes at once. */
export const MAX_BYTES = 64 * 1024;

const WORDS = { 'too-many': 'more than 64 KiB at once', unavailable: 'the host has none to give' };

export const bytes = (count) =>
  Uint8Array.from(ask('random', 'bytes', [count], (thrown) => failure(thrown, 'cannot get random bytes', WORDS)));

export function uuid() {
  const data = bytes(16);
  data[6] = (data[6] & 0x0f) | 0x40;
  data[8] = (data[8] & 0x3f) | 0x80;
  const hex = [...data].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
