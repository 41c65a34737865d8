// Secrets that the operator granted, by name. Their values stay in the host, which attaches them to requests:
// `fetch(url, { secrets: [secrets.bearer('github')] })`.

import { host } from './host.js';

export const exists = (name) => host('secrets').exists(name);

const credential = (secret, tag, val) => ({ secret, place: val === undefined ? { tag } : { tag, val } });

export const bearer = (secret) => credential(secret, 'bearer');

export const header = (secret, field) => credential(secret, 'header', field);

export const query = (secret, parameter) => credential(secret, 'query', parameter);

export const json = (secret, pointer) => credential(secret, 'json-pointer', pointer);
