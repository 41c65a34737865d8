// A double of the gate, so that `node --test` runs a tool without one. It follows `wit/` but decides nothing by
// policy: only what a test denies is refused. It lasts for the whole process; `reset` empties it.

import { install } from './host.js';
import { fetch } from './http.js';
import * as directories from './testing/files.js';
import * as values from './testing/values.js';
import * as web from './testing/web.js';

export { grant } from './testing/files.js';
export { answer, at, config, denyConfig, denyState, endRun, logged, reported, seed } from './testing/values.js';
export { secret, web } from './testing/web.js';

/** Forgets everything that a test prepared or a tool did. */
export function reset() {
  directories.reset();
  values.reset();
  web.reset();
}

install({ ...values.host, files: directories.host, http: web.http, secrets: web.secrets });
// What a library fetches in a test does not reach the network either.
globalThis.fetch = fetch;
reset();
