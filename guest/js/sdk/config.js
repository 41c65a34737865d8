// Values that the operator configured for this component, under `[components.NAME.config]`.

import { Failed, failure } from './errors.js';
import { ask } from './host.js';

const NAMES = { text: 'a text', integer: 'an integer', float: 'a float', boolean: 'a boolean', texts: 'a list of texts' };
const WORDS = { 'invalid-key': (how) => `not a valid key: ${how}` };

const what = (key) => `cannot read the configuration \`${key}\``;
const read = (key) => ask('config', 'get', [key], (thrown) => failure(thrown, what(key), WORDS));

// An integer is a BigInt only where a number would not be exact.
function plain({ tag, val }) {
  if (tag !== 'integer') return val;
  const number = Number(val);
  return Number.isSafeInteger(number) ? number : BigInt(val);
}

function typed(key, fallback, name, ...tags) {
  const value = read(key);
  if (value === undefined) return fallback;
  if (!tags.includes(value.tag)) {
    const text = `it is ${NAMES[value.tag]} and should be ${name}; the operator can correct it`;
    throw new Failed(`${what(key)}: ${text}`, { code: 'wrong-type' });
  }
  return plain(value);
}

export function get(key, fallback) {
  const value = read(key);
  return value === undefined ? fallback : plain(value);
}

export const text = (key, fallback) => typed(key, fallback, 'a text', 'text');

export const integer = (key, fallback) => typed(key, fallback, 'an integer', 'integer');

export function number(key, fallback) {
  const value = typed(key, fallback, 'a number', 'float', 'integer');
  return value === undefined ? undefined : Number(value);
}

export const boolean = (key, fallback) => typed(key, fallback, 'a boolean', 'boolean');

export const texts = (key, fallback) => typed(key, fallback, 'a list of texts', 'texts');
