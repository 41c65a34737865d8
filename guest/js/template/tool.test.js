// Run with `node --test`, in this folder.

import assert from 'node:assert';
import { test } from 'node:test';

import { InvalidArguments, call } from './sdk/tollgate.js';
import './tool.js';

test('greets', () => {
  assert.equal(call('greet', { name: 'Ada', times: 2 }), 'Hello, Ada! Hello, Ada!');
  assert.throws(() => call('greet', { name: ' ' }), InvalidArguments);
});
