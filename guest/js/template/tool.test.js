// @ts-check
// Run with `node --test`, in this folder. `sdk/testing.js` stands for the gate.

import assert from 'node:assert';
import { beforeEach, test } from 'node:test';

import { config, denyState, reset } from './sdk/testing.js';
import { Denied, InvalidArguments, call } from './sdk/tollgate.js';
import './tool.js';

beforeEach(reset);

test('greets in the configured words, and remembers whom', () => {
  assert.equal(call('greet', { name: 'Ada', times: 2 }), 'Hello, Ada! Hello, Ada!');
  config('greeting', 'Servus');
  assert.equal(call('greet', { name: 'Alan' }), 'Servus, Alan!');
  assert.deepEqual(call('greeted'), { names: ['Ada', 'Alan'] });
  assert.deepEqual(call('greeted', { prefix: 'Al' }), { names: ['Alan'] });
});

test('says what is wrong', () => {
  assert.throws(() => call('greet', { name: ' ' }), InvalidArguments);
  assert.throws(() => call('greet', { name: 'Ada', times: 9 }), /at most 5/);
  denyState('Nothing is kept here.');
  assert.throws(() => call('greet', { name: 'Ada' }), Denied);
});
