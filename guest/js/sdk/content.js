// What a tool returns, as content.

import { ResultError } from './errors.js';

/** One part of a result, as `text`, `image`, `resource` or `structured` make it. */
export class Content {
  constructor(tag, val) {
    this.tag = tag;
    this.val = val;
  }
}

/** Plain text for the model. */
export const text = (words) => new Content('text', String(words).toWellFormed());

/** A picture: its media type, such as `image/png`, and the file's bytes. */
export const image = (mediaType, data) => new Content('image', { mediaType, data });

/** A resource with a URI of its own: `{ text }` or `{ data }`, and a `mediaType` if it is known. */
export function resource(uri, { text: words, data, mediaType }) {
  const body = words === undefined ? { tag: 'blob', val: data } : { tag: 'text', val: words };
  return new Content('resource', { uri, mediaType, body });
}

/** Structured data: a value with a JSON form. */
export const structured = (value) => new Content('structured', JSON.stringify(plain(value)));

const step = (at, name) => `${at}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;

function refusal(at, text) {
  return new ResultError(`the result has no JSON form${at && ` at ${at}`}: ${text}`);
}

/** The value as plain JSON. Throws a ResultError with a JSON pointer to what JSON cannot say. */
export function plain(value, at = '', above = []) {
  if (value instanceof Date) value = value.toJSON();
  switch (typeof value) {
    case 'string':
      // Half a surrogate pair is not text in Unicode.
      return value.toWellFormed();
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw refusal(at, `${value} is not a number of JSON`);
      return value;
    case 'bigint':
      if (Number.isSafeInteger(Number(value))) return Number(value);
      throw refusal(at, 'a bigint beyond ±(2^53 − 1); return it as a string');
    case 'object':
      return value === null ? null : compound(value, at, above);
    default:
      throw refusal(at, `it is ${value === undefined ? 'undefined' : `a ${typeof value}`}`);
  }
}

function compound(value, at, above) {
  if (above.includes(value)) throw refusal(at, 'it contains itself');
  if (typeof value.then === 'function') throw refusal(at, 'it is a promise; an `await` is missing');
  if (typeof value.toJSON === 'function') return plain(value.toJSON(), at, above);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw refusal(at, 'they are bytes; return them as `image(…)` or `resource(…)`, or as a text');
  }
  if (value instanceof Map || value instanceof Set || value instanceof Error) {
    throw refusal(at, `it is of the type ${value.constructor.name}, which JSON would show as {}`);
  }
  const path = [...above, value];
  if (Array.isArray(value)) return Array.from(value, (item, i) => plain(item, step(at, i), path));
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member, step(at, name), path)]));
}

/** The parts of a result: a text, content, or any other value as structured content with the same as text. */
export function parts(result) {
  if (result === undefined) throw new ResultError('`run` returned undefined; return a text, a value, or null for nothing');
  if (result === null) return [];
  if (typeof result === 'string') return [text(result)];
  if (result instanceof Content) return [result];
  if (Array.isArray(result) && result.length > 0 && result.every((part) => part instanceof Content)) return result;
  const json = JSON.stringify(plain(result));
  return [text(json), new Content('structured', json)];
}
