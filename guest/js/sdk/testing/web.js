// Servers and secrets for tests: prepared answers; nothing is sent.

import { bytes } from '../host.js';
import { refuse } from './values.js';

const answers = new Map();
const refusals = new Map();
const granted = new Set();
let sent = [];

export function reset() {
  answers.clear();
  refusals.clear();
  granted.clear();
  sent = [];
}

/** Grants a secret. It has no value, like all secrets in a component. */
export const secret = (name) => void granted.add(name);

/** Servers. */
export const web = {
  /** Answers requests with this method and exactly this URL: with an answer, or a function of the request. */
  answer(method, url, given) {
    answers.set(`${method} ${url}`, given);
  },
  /** Refuses every request to a host, with this reason. */
  deny(hostname, reason) {
    refusals.set(hostname, reason);
  },
  /** The requests so far. */
  sent: () => [...sent],
};

function response(url, given) {
  const { status = 200, headers = {}, json, body = '' } = typeof given === 'string' ? { body: given } : given;
  const fields = json === undefined ? headers : { 'content-type': 'application/json', ...headers };
  return {
    status,
    url,
    headers: Object.entries(fields).map(([name, value]) => ({ name: name.toLowerCase(), value: String(value) })),
    body: bytes(json === undefined ? body : JSON.stringify(json)),
  };
}

/** The functions of the WIT's `http`. */
export const http = {
  fetch(request) {
    if (!URL.canParse(request.url) || !/^https?:/.test(request.url)) {
      throw { tag: 'invalid-request', val: 'the URL is not an absolute one of http or https' };
    }
    const unknown = request.credentials.find(({ secret: name }) => !granted.has(name));
    if (unknown) throw { tag: 'no-such-secret', val: unknown.secret };
    const reason = refusals.get(new URL(request.url).hostname);
    if (reason !== undefined) refuse(reason);
    sent.push(request);
    const found = answers.get(`${request.method} ${request.url}`);
    if (found === undefined) {
      throw { tag: 'unreachable', val: `no test prepared an answer to ${request.method} ${request.url}` };
    }
    const given = typeof found === 'function' ? found(request) : found;
    if (typeof given?.error === 'string') throw { tag: given.error, val: 'the test wants it so' };
    return response(request.url, given);
  },
};

/** The function of the WIT's `secrets`. */
export const secrets = { exists: (name) => granted.has(name) };
