// Values that the operator configured for this component, under `[components.NAME.config]`.

import * as host from 'tollgate:adapter/config@0.1.0';
import { Denied, Failed } from './tollgate.js';

function read(key) {
  try {
    return host.get(key);
  } catch (error) {
    const { tag, val } = error.payload ?? error;
    if (tag === 'denied') throw new Denied(`${val.reason} (decision ${val.decision})`);
    if (tag === undefined) throw error;
    throw new Failed(`cannot read the configuration ${key}: ${val}`);
  }
}

// An integer is a BigInt only where a number would not be exact.
function plain({ tag, val }) {
  if (tag !== 'integer') return val;
  const number = Number(val);
  return Number.isSafeInteger(number) ? number : BigInt(val);
}

function typed(key, fallback, name, ...tags) {
  const value = read(key);
  if (value === undefined) return fallback;
  if (!tags.includes(value.tag)) throw new Failed(`the configuration ${key} should be ${name}; the operator can correct it`);
  return plain(value);
}

/**
 * The value of a key, with the type that it has in the configuration; `fallback` if there is none.
 *
 * @param {string} key
 * @param {string | number | bigint | boolean | string[]} [fallback]
 * @returns {string | number | bigint | boolean | string[] | undefined}
 */
export function get(key, fallback) {
  const value = read(key);
  return value === undefined ? fallback : plain(value);
}

/**
 * The text of a key.
 *
 * @param {string} key
 * @param {string} [fallback]
 * @returns {string | undefined}
 */
export const text = (key, fallback) => typed(key, fallback, 'a text', 'text');

/**
 * The integer of a key.
 *
 * @param {string} key
 * @param {number | bigint} [fallback]
 * @returns {number | bigint | undefined}
 */
export const integer = (key, fallback) => typed(key, fallback, 'an integer', 'integer');

/**
 * The float or integer of a key.
 *
 * @param {string} key
 * @param {number} [fallback]
 * @returns {number | undefined}
 */
export function number(key, fallback) {
  const value = typed(key, fallback, 'a number', 'float', 'integer');
  return value === undefined ? undefined : Number(value);
}

/**
 * The boolean of a key.
 *
 * @param {string} key
 * @param {boolean} [fallback]
 * @returns {boolean | undefined}
 */
export const boolean = (key, fallback) => typed(key, fallback, 'a boolean', 'boolean');

/**
 * The list of texts of a key.
 *
 * @param {string} key
 * @param {string[]} [fallback]
 * @returns {string[] | undefined}
 */
export const texts = (key, fallback) => typed(key, fallback, 'a list of texts', 'texts');
