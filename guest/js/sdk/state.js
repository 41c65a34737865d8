// Small values that outlive a call: `run` for the calls of this run, `adapter` for all calls of this component.

import { Failed, failure } from './errors.js';
import { ask, bytes, decode } from './host.js';

const WORDS = {
  'invalid-key': (how) => `not a valid key: ${how}`,
  'too-large': 'the value has more than 64 KiB',
  full: 'there is no room for it; delete what is not needed',
};

function store(scope) {
  const on = (operation, word, key, ...more) =>
    ask('state', operation, [scope, key, ...more], (thrown) => failure(thrown, `cannot ${word} \`${key}\``, WORDS));
  const get = (key) => on('get', 'get', key);
  const getText = (key) => {
    const value = get(key);
    const text = value === undefined ? undefined : decode(value);
    if (value !== undefined && text === undefined) {
      throw new Failed(`cannot get \`${key}\`: it is not text in UTF-8`, { code: 'malformed' });
    }
    return text;
  };
  return Object.freeze({
    get,
    getText,
    getJson(key) {
      const text = getText(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    set: (key, value) => on('set', 'set', key, bytes(value)),
    setJson: (key, value) => on('set', 'set', key, bytes(JSON.stringify(value))),
    delete: (key) => on('delete', 'delete', key),
    keys: (prefix = '') => on('listKeys', 'list', prefix),
    compareAndSet: (key, expected, value) =>
      on('compareAndSet', 'set', key, expected === undefined ? undefined : bytes(expected), bytes(value)),
  });
}

export const run = store('run');
export const adapter = store('adapter');
