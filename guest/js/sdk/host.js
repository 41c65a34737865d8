// Where the interfaces of the host come from: from the gate in a component, from `testing.js` in a test.

/** The time that an `AbortSignal.timeout` was made for, in a component. */
export const TIMEOUT = Symbol('timeout');

let interfaces;

/** Sets what `host` gives: an object with the functions of each interface of `wit/`, by its name. */
export function install(given) {
  interfaces = given;
}

/** The functions of one interface. */
export function host(name) {
  if (interfaces === undefined) {
    throw new Error(`there is no gate to ask for \`${name}\`; in a test, import './sdk/testing.js' first`);
  }
  return interfaces[name];
}

/** Calls a function of the host, and throws what `explain` makes of its error. */
export function ask(name, operation, args, explain) {
  const functions = host(name);
  try {
    return functions[operation](...args);
  } catch (thrown) {
    throw explain(thrown);
  }
}

/** Bytes of a text in UTF-8, or of what holds bytes. */
export function bytes(data) {
  if (typeof data === 'string') return new TextEncoder().encode(data);
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new TypeError(`expected a text or bytes, and got ${data === null ? 'null' : typeof data}`);
}

/** The text of bytes in UTF-8; undefined if they are none. */
export function decode(data) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    return undefined;
  }
}
