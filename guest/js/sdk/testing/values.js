// Everything of the double that is neither a file nor a request.

import { bytes } from '../host.js';

/** 10:00 on Monday, 2026-11-23. */
const START = 1_795_428_000_000;

const configured = new Map();
const kept = { run: new Map(), adapter: new Map() };
const tools = new Map();
const refusals = {};
let time;
let begin;
let sequence;
let lines;
let reports;

export function reset() {
  configured.clear();
  kept.run.clear();
  kept.adapter.clear();
  tools.clear();
  refusals.config = refusals.state = undefined;
  time = begin = START;
  sequence = 0n;
  lines = [];
  reports = [];
}

/** Throws a denial, as policy would. */
export function refuse(reason) {
  throw { tag: 'denied', val: { decision: 'test', reason, approval: undefined } };
}

/** Configures a value: a text, a number, a bigint, a boolean or a list of texts. */
export function config(key, value) {
  configured.set(key, configValue(value));
}

function configValue(value) {
  if (Array.isArray(value)) return { tag: 'texts', val: value };
  switch (typeof value) {
    case 'string':
      return { tag: 'text', val: value };
    case 'boolean':
      return { tag: 'boolean', val: value };
    case 'bigint':
      return { tag: 'integer', val: value };
    case 'number':
      return Number.isSafeInteger(value) ? { tag: 'integer', val: BigInt(value) } : { tag: 'float', val: value };
    default:
      throw new TypeError('a configuration has texts, numbers, booleans and lists of texts');
  }
}

/** Refuses every read of the configuration, with this reason. */
export function denyConfig(reason) {
  refusals.config = reason;
}

/** Refuses every operation of `state`, with this reason. */
export function denyState(reason) {
  refusals.state = reason;
}

/** Deletes the state of the run, as when a run ends. */
export const endRun = () => kept.run.clear();

/** Sets the clock, in milliseconds since 1970. It stands still; until it is set, it is 10:00 on 2026-11-23. */
export function at(milliseconds) {
  time = Number(milliseconds);
  begin = Math.min(begin, time);
}

/** Begins the sequence of `random` anew. It is repeatable, and not random at all. */
export function seed(number) {
  sequence = BigInt(number);
}

/** Answers calls of another component's tool: a text, a value (structured), or a function of the arguments. */
export function answer(tool, given) {
  tools.set(tool, given);
}

/** The messages of the log since the last call: `{ level, message }`. */
export const logged = () => lines.splice(0);

/** The reports of progress since the last call: `{ progress, total, message }`. */
export const reported = () => reports.splice(0);

function content(given) {
  if (typeof given === 'string') return [{ tag: 'text', val: given }];
  const json = JSON.stringify(given);
  return [
    { tag: 'text', val: json },
    { tag: 'structured', val: json },
  ];
}

// SplitMix64: every seed gives another sequence.
function next() {
  const mask = (1n << 64n) - 1n;
  sequence = (sequence + 0x9e3779b97f4a7c15n) & mask;
  let mixed = ((sequence ^ (sequence >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask;
  return Number((mixed ^ (mixed >> 31n)) & 0xffn);
}

function key(name) {
  if (refusals.state !== undefined) refuse(refusals.state);
  const size = bytes(name).length;
  if (size < 1 || size > 256 || /\p{Cc}/u.test(name)) {
    throw { tag: 'invalid-key', val: 'it has 1 to 256 bytes, without control characters' };
  }
  return name;
}

const equal = (a, b) => (a === undefined || b === undefined ? a === b : bytes(a).join() === bytes(b).join());

const state = {
  get: (scope, name) => kept[scope].get(key(name)),
  set(scope, name, value) {
    key(name);
    if (value.length > 64 << 10) throw { tag: 'too-large' };
    kept[scope].set(name, Uint8Array.from(value));
  },
  delete: (scope, name) => kept[scope].delete(key(name)),
  listKeys(scope, prefix) {
    if (refusals.state !== undefined) refuse(refusals.state);
    return [...kept[scope].keys()].filter((name) => name.startsWith(prefix)).sort();
  },
  compareAndSet(scope, name, expected, value) {
    if (!equal(state.get(scope, name), expected)) return false;
    state.set(scope, name, value);
    return true;
  },
};

/** The functions of the WIT's interfaces. */
export const host = {
  state,
  log: { log: (level, message) => void lines.push({ level, message }) },
  progress: {
    report(progress, total, message) {
      reports.push({ progress: Number(progress), total: total === undefined ? undefined : Number(total), message });
    },
  },
  clock: { now: () => BigInt(time), elapsed: () => BigInt(time - begin) },
  random: {
    bytes(count) {
      if (count > 64 << 10) throw 'too-many';
      return Uint8Array.from({ length: count }, next);
    },
  },
  config: {
    get(name) {
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
        throw { tag: 'invalid-key', val: 'a key has 1 to 64 ASCII letters, digits, `-` and `_`' };
      }
      if (refusals.config !== undefined) refuse(refusals.config);
      return configured.get(name);
    },
  },
  calls: {
    call(tool, args) {
      if (!tools.has(tool)) throw { tag: 'invalid', val: `there is no tool \`${tool}\`` };
      const given = tools.get(tool);
      return content(typeof given === 'function' ? given(JSON.parse(args)) : given);
    },
  },
};
