// JSON Schemas of arguments and results. Each function gives a plain JSON Schema; `schema.d.ts` knows its type.

import { bare, record } from './record.js';

export const string = (options = {}) => ({ type: 'string', ...options });

export const number = (options = {}) => ({ type: 'number', ...options });

export const integer = (options = {}) => ({ type: 'integer', ...options });

export const boolean = (options = {}) => ({ type: 'boolean', ...options });

export const choice = (values, options = {}) => ({ enum: [...values], ...options });

export const array = (items, options = {}) => ({ type: 'array', items: bare(items), ...options });

export const map = (values, options = {}) => ({ type: 'object', additionalProperties: bare(values), ...options });

export const nullable = (schema, options = {}) => ({ anyOf: [bare(schema), { type: 'null' }], ...options });

export const optional = (schema) => ({ ...schema, optional: true });

export const object = (fields, options = {}) => ({ ...record(fields), ...options });
