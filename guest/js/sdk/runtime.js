// The engine of a component has no console, clock, randomness, timers or network of its own. What the language
// offers for them asks the gate instead, or says why it cannot.

import * as clock from './clock.js';
import { TIMEOUT } from './host.js';
import { fetch } from './http.js';
import { log } from './log.js';
import * as random from './random.js';
import { stack } from './trace.js';

const RealDate = Date;
let isRunning = false;
let seed;

/** Whether a call runs. Outside of one, as while the component is built, the gate cannot be asked. */
export function running(value) {
  isRunning = value;
  seed = undefined;
}

/** Replaces what asks for the host. */
export function adopt(globals) {
  adoptConsole(globals.console);
  globals.fetch = fetch;
  globals.Date = clockDate();
  globals.performance.now = () => (isRunning ? clock.elapsed() : 0);
  Math.random = () => (isRunning ? fraction() : 0.5);
  globals.crypto.getRandomValues = fill;
  globals.crypto.randomUUID = random.uuid;
  globals.setTimeout = later;
  globals.clearTimeout = (handle) => void (handle && (handle.isCancelled = true));
  globals.setInterval = () => refuse('setInterval');
  globals.clearInterval = globals.clearTimeout;
  globals.AbortSignal.timeout = (time) => Object.assign(new AbortController().signal, { [TIMEOUT]: time });
}

/** A value as `console.log` shows it. */
export function shown(value) {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return stack(value);
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? String(member) : member)) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

function adoptConsole(console) {
  const levels = { log: 'info', info: 'info', debug: 'debug', trace: 'debug', dir: 'info', warn: 'warn', error: 'error' };
  for (const [name, level] of Object.entries(levels)) {
    const real = console[name]?.bind(console);
    console[name] = (...values) => {
      if (isRunning) log(values.map(shown).join(' '), level);
      else real?.(...values);
    };
  }
  console.assert = (holds, ...values) => void (holds || console.error('Assertion failed:', ...values));
}

function clockDate() {
  const now = () => (isRunning ? clock.now() : RealDate.now());
  function GateDate(...parts) {
    if (new.target === undefined) return new RealDate(now()).toString();
    return Reflect.construct(RealDate, parts.length ? parts : [now()], new.target);
  }
  Object.setPrototypeOf(GateDate, RealDate);
  GateDate.prototype = RealDate.prototype;
  GateDate.prototype.constructor = GateDate;
  GateDate.now = now;
  return Object.defineProperty(GateDate, 'name', { value: 'Date' });
}

// SplitMix32 over random bytes of the gate, drawn once for each call.
function fraction() {
  seed ??= new DataView(random.bytes(4).buffer).getUint32(0);
  seed = (seed + 0x9e3779b9) | 0;
  let mixed = seed ^ (seed >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}

function fill(view) {
  if (!isRunning) throw new Error('there is no randomness while the component is built: ask for it in `run`');
  const whole = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let at = 0; at < whole.length; at += random.MAX_BYTES) {
    whole.set(random.bytes(Math.min(random.MAX_BYTES, whole.length - at)), at);
  }
  return view;
}

function later(act, time = 0, ...args) {
  if (time > 0) refuse('setTimeout');
  const handle = { isCancelled: false };
  queueMicrotask(() => handle.isCancelled || act(...args));
  return handle;
}

function refuse(name) {
  throw new Error(`${name} cannot wait: a tool has no timers; return, and let the agent call again`);
}
