// HTTP requests, sent by the host after policy allowed each of them. In a component, the global `fetch` is this one.

import { Failed, failure } from './errors.js';
import { TIMEOUT, ask, bytes, decode } from './host.js';

const REDIRECTS = 5;
const MAX_SHOWN = 200;
const MAX_TIMEOUT = 0xffffffff;

const WORDS = {
  'no-such-secret': (name) => `the operator granted this tool no secret \`${name}\``,
  timeout: 'it took too long',
  'too-large': 'the response is larger than the host allows',
  'too-many-redirects': 'it redirects too often',
};

// A query may contain secrets, so messages do not show it.
const shown = (url) => url.split(/[?#]/)[0].slice(0, MAX_SHOWN);

/** A response whose status is 400 or more, thrown by `check`. */
export class HttpError extends Failed {
  constructor(message, response) {
    super(message, { code: 'status' });
    this.status = response.status;
    this.response = response;
  }
}

/** What the host answered, in the manner of the web's `Response`. */
export class HttpResponse {
  #body;
  #method;

  constructor(method, { status, url, headers, body }) {
    this.#method = method;
    this.#body = body;
    this.status = status;
    this.ok = status >= 200 && status < 300;
    this.url = url;
    this.headers = new Headers(headers.map(({ name, value }) => [name, value]));
  }

  #failed(text, more) {
    return new Failed(`cannot ${this.#method} ${shown(this.url)}: ${text}`, more);
  }

  /** The response itself, if its status is below 400. */
  check() {
    if (this.status < 400) return this;
    throw new HttpError(`cannot ${this.#method} ${shown(this.url)}: the server answered ${this.status}`, this);
  }

  async bytes() {
    return this.#body;
  }

  async arrayBuffer() {
    return Uint8Array.from(this.#body).buffer;
  }

  async text() {
    const text = decode(this.#body);
    if (text === undefined) throw this.#failed('it is not text in UTF-8', { code: 'malformed' });
    return text;
  }

  async json() {
    const text = await this.text();
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#failed('it is not JSON', { code: 'malformed', cause });
    }
  }
}

function payload({ body, json }, headers) {
  const typed = (type) => headers.has('content-type') || headers.set('content-type', type);
  if (json !== undefined) {
    typed('application/json');
    return bytes(JSON.stringify(json));
  }
  if (body === undefined || body === null) return undefined;
  if (body instanceof URLSearchParams) {
    typed('application/x-www-form-urlencoded;charset=UTF-8');
    return bytes(body.toString());
  }
  return bytes(body);
}

function redirects({ redirect = 'follow', redirects: most = REDIRECTS }) {
  if (!['follow', 'manual', 'error'].includes(redirect)) throw new TypeError(`there is no redirect \`${redirect}\``);
  return redirect === 'follow' ? most : 0;
}

function limit({ timeout, signal }) {
  signal?.throwIfAborted();
  const time = timeout ?? signal?.[TIMEOUT];
  return time === undefined ? undefined : Math.min(MAX_TIMEOUT, Math.max(0, Math.ceil(time)));
}

export async function fetch(input, options = {}) {
  if (typeof input === 'object' && !(input instanceof URL)) {
    throw new TypeError('fetch takes a URL and options here, not a Request');
  }
  const url = String(input);
  const method = (options.method ?? 'GET').toUpperCase();
  const headers = new Headers(options.headers);
  const body = payload(options, headers);
  const request = {
    method,
    url,
    headers: [...headers].map(([name, value]) => ({ name, value })),
    body,
    credentials: options.secrets ?? [],
    redirects: redirects(options),
    timeout: limit(options),
  };
  const what = `cannot ${method} ${shown(url)}`;
  const response = ask('http', 'fetch', [request], (thrown) => failure(thrown, what, WORDS));
  if (options.redirect === 'error' && response.status >= 300 && response.status < 400) {
    throw new Failed(`${what}: it redirects`, { code: 'too-many-redirects' });
  }
  return new HttpResponse(method, response);
}
