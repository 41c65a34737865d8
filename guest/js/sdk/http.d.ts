import type { Credential } from './secrets.js';
import { Failed } from './tollgate.js';

export interface Options {
  /** `GET` unless it is said. */
  method?: string;
  headers?: Headers | Record<string, string> | [string, string][];
  /** At most 8 MiB. */
  body?: string | Uint8Array | ArrayBuffer | URLSearchParams | null;
  /** A value to send as JSON, with its content type. */
  json?: unknown;
  /** Secrets that the host attaches, as the functions of `secrets.js` make them. */
  secrets?: Credential[];
  /** `manual` gives a redirect as it is; `error` throws. */
  redirect?: 'follow' | 'manual' | 'error';
  /** How many redirects to follow, at most 10; 5 unless it is said. */
  redirects?: number;
  /** Milliseconds for the whole exchange; the rest of the call's time unless it is said. */
  timeout?: number;
  signal?: AbortSignal;
}

/** A response, whole and decoded. */
export class HttpResponse {
  private constructor();
  readonly status: number;
  /** Whether the status is 200 to 299. */
  readonly ok: boolean;
  /** The URL that answered, after redirects. */
  readonly url: string;
  readonly headers: Headers;
  /** The response, if its status is below 400; otherwise it throws an `HttpError`. */
  check(): HttpResponse;
  text(): Promise<string>;
  json(): Promise<any>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A response whose status is 400 or more, thrown by `check`. Its code is `status`. */
export class HttpError extends Failed {
  private constructor();
  readonly status: number;
  readonly response: HttpResponse;
}

/**
 * Sends a request. A status of 400 or more is a response, not an error. Throws a `TollgateError` with the code
 * `denied`, `no-such-secret`, `invalid-request`, `unresolved`, `unreachable`, `tls`, `timeout`, `too-large`,
 * `too-many-redirects`, `malformed` or `failed`.
 */
export function fetch(url: string | URL, options?: Options): Promise<HttpResponse>;
