// The SDK on the double of the gate. Run with `node --test`, in this folder.

import assert from 'node:assert';
import { readFileSync, readdirSync } from 'node:fs';
import { beforeEach, test } from 'node:test';

import * as calls from '../sdk/calls.js';
import * as clock from '../sdk/clock.js';
import * as config from '../sdk/config.js';
import * as files from '../sdk/files.js';
import { HttpError, fetch } from '../sdk/http.js';
import * as log from '../sdk/log.js';
import * as progress from '../sdk/progress.js';
import * as random from '../sdk/random.js';
import * as secrets from '../sdk/secrets.js';
import * as state from '../sdk/state.js';
import * as testing from '../sdk/testing.js';
import { Denied, Failed, TollgateError } from '../sdk/tollgate.js';

beforeEach(testing.reset);

const code = (expected) => (error) => error instanceof TollgateError && error.code === expected;

test('files', () => {
  const desk = testing.grant('desk').put('a/b.txt', 'one');
  testing.grant('shelf', 'read-only').put('x', new Uint8Array([0xff]));
  assert.deepEqual(files.grants(), ['desk', 'shelf']);
  assert.equal(files.mode('shelf'), 'read-only');
  assert.equal(files.mode('none'), undefined);
  files.append('desk', 'a/b.txt', new Uint8Array([33]));
  files.write('desk', 'c/d/e.json', '{"a":1}');
  assert.equal(files.readText('desk', 'a/b.txt'), 'one!');
  assert.deepEqual(files.readJson('desk', 'c/d/e.json'), { a: 1 });
  assert.deepEqual(files.list('desk'), [
    { name: 'a', kind: 'directory', size: 0 },
    { name: 'c', kind: 'directory', size: 0 },
  ]);
  assert.deepEqual(files.stat('desk', 'a/b.txt'), { name: 'b.txt', kind: 'file', size: 4 });
  assert.ok(files.exists('desk', 'a') && !files.exists('desk', 'none'));
  files.create('desk', 'new', 'x');
  files.remove('desk', 'new');
  assert.deepEqual(desk.paths(), ['a/b.txt', 'c/d/e.json']);
  for (const [expected, act] of [
    ['not-found', () => files.read('desk', 'none')],
    ['exists', () => files.create('desk', 'a/b.txt', '')],
    ['wrong-kind', () => files.read('desk', 'a')],
    ['not-empty', () => files.remove('desk', 'c')],
    ['read-only', () => files.write('shelf', 'y', '')],
    ['invalid-path', () => files.read('desk', '../x')],
    ['no-such-grant', () => files.read('dsk', 'x')],
    ['malformed', () => files.readText('shelf', 'x')],
    ['malformed', () => files.readJson('desk', 'a/b.txt')],
  ]) {
    assert.throws(act, code(expected), expected);
  }
  assert.throws(() => files.read('dsk', 'x'), /cannot read `x` in `dsk`: no such grant; there are `desk` `shelf`/);
  desk.deny('Not today.');
  assert.throws(() => files.read('desk', 'a/b.txt'), (error) => error instanceof Denied && error.reason === 'Not today.');
});

test('http', async () => {
  testing.secret('key');
  testing.web.answer('POST', 'https://api.example/a?b=c', (request) => ({
    status: 201,
    headers: { 'X-Type': request.headers.find(({ name }) => name === 'content-type').value },
    json: JSON.parse(new TextDecoder().decode(request.body)),
  }));
  const options = { method: 'post', json: { n: 1 }, secrets: [secrets.bearer('key'), secrets.query('key', 'k')], timeout: 9.5 };
  const response = await fetch('https://api.example/a?b=c', options);
  assert.deepEqual([response.status, response.ok, response.headers.get('x-type')], [201, true, 'application/json']);
  assert.deepEqual(await response.check().json(), { n: 1 });
  const [sent] = testing.web.sent();
  assert.deepEqual(sent.credentials, [
    { secret: 'key', place: { tag: 'bearer' } },
    { secret: 'key', place: { tag: 'query', val: 'k' } },
  ]);
  assert.deepEqual([sent.redirects, sent.timeout], [5, 10]);

  testing.web.answer('GET', 'https://api.example/gone', { status: 410, json: { message: 'moved away' } });
  const gone = await fetch(new URL('https://api.example/gone'));
  assert.throws(() => gone.check(), (error) => error instanceof HttpError && error.status === 410 && error.code === 'status');
  testing.web.answer('GET', 'https://api.example/text', { body: new Uint8Array([0xff]) });
  testing.web.answer('GET', 'https://api.example/away', { status: 302 });
  testing.web.answer('GET', 'https://api.example/slow', { error: 'timeout' });
  testing.web.deny('evil.example', 'Not there.');
  const text = async () => (await fetch('https://api.example/text')).text();
  for (const [expected, act] of [
    ['unreachable', () => fetch('https://api.example/none')],
    ['invalid-request', () => fetch('/relative')],
    ['timeout', () => fetch('https://api.example/slow')],
    ['malformed', text],
    ['malformed', async () => (await fetch('https://api.example/away')).json()],
    ['too-many-redirects', () => fetch('https://api.example/away', { redirect: 'error' })],
    ['no-such-secret', () => fetch('https://api.example/away', { secrets: [secrets.bearer('none')] })],
    ['denied', () => fetch('https://evil.example/x')],
  ]) {
    await assert.rejects(act, code(expected), expected);
  }
  await assert.rejects(fetch('https://evil.example/none?token=1'), ({ message }) => !message.includes('token'));
  await assert.rejects(fetch({ url: 'https://api.example' }), TypeError);
  await assert.rejects(globalThis.fetch('https://api.example/none'), code('unreachable'), 'no test reaches the network');
  assert.ok(secrets.exists('key') && !secrets.exists('none'));
});

test('state', () => {
  state.run.setJson('a/1', { n: 1 });
  state.adapter.set('a/1', 'text');
  assert.deepEqual(state.run.getJson('a/1'), { n: 1 });
  assert.equal(state.adapter.getText('a/1'), 'text');
  assert.equal(state.run.get('none'), undefined);
  assert.deepEqual(state.run.keys('a/'), ['a/1']);
  assert.ok(state.adapter.compareAndSet('a/1', 'text', new Uint8Array([1])));
  assert.ok(!state.adapter.compareAndSet('a/1', 'text', ''));
  assert.ok(!state.adapter.compareAndSet('a/1', undefined, ''));
  testing.endRun();
  assert.deepEqual(state.run.keys(), []);
  assert.ok(state.adapter.delete('a/1') && !state.adapter.delete('a/1'));
  assert.throws(() => state.run.set('x', new Uint8Array(65537)), code('too-large'));
  assert.throws(() => state.run.set('', 'x'), code('invalid-key'));
  testing.denyState('Nothing is kept.');
  assert.throws(() => state.run.get('x'), code('denied'));
});

test('configuration, calls, log, progress, clock, random', () => {
  for (const [key, value] of Object.entries({ t: 'x', i: 5, big: 2n ** 60n, f: 0.5, b: true, l: ['a'] })) {
    testing.config(key, value);
    assert.deepEqual(config.get(key), value);
  }
  assert.deepEqual(
    [config.text('t'), config.integer('i'), config.number('i'), config.number('f'), config.boolean('b'), config.texts('l')],
    ['x', 5, 5, 0.5, true, ['a']],
  );
  assert.equal(config.text('none', 'fallback'), 'fallback');
  assert.throws(() => config.text('i'), /it is an integer and should be a text/);
  assert.throws(() => config.get('a b'), code('invalid-key'));

  testing.answer('tickets__read', ({ id }) => ({ id, text: 'hello' }));
  assert.deepEqual(calls.callForJson('tickets__read', { id: 'T-1' }), { id: 'T-1', text: 'hello' });
  testing.answer('notes__read', 'words');
  assert.equal(calls.callForText('notes__read'), 'words');
  assert.throws(() => calls.callForJson('notes__read'), Failed);
  assert.throws(() => calls.call('none__here'), code('invalid'));

  log.info('one');
  log.log('two', 'error');
  assert.deepEqual(testing.logged(), [
    { level: 'info', message: 'one' },
    { level: 'error', message: 'two' },
  ]);
  progress.report(1.5, 3);
  progress.report(2n, undefined, 'more');
  assert.deepEqual(testing.reported(), [
    { progress: 1, total: 3, message: '' },
    { progress: 2, total: undefined, message: 'more' },
  ]);
  testing.at(1_800_000_000_000);
  assert.deepEqual([clock.now(), clock.elapsed()], [1_800_000_000_000, 4_572_000_000]);
  testing.seed(7);
  const first = random.uuid();
  assert.match(first, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  testing.seed(7);
  assert.equal(random.uuid(), first);
  assert.throws(() => random.bytes(random.MAX_BYTES + 1), code('too-many'));
});

test('each module has the exports that its types declare', async () => {
  const folder = new URL('../sdk/', import.meta.url);
  const typed = readdirSync(folder).filter((name) => name.endsWith('.d.ts'));
  assert.equal(typed.length, 13);
  for (const name of typed) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    const declared = [...text.matchAll(/^export (?:function|const|class) (\w+)/gm)].map(([, found]) => found);
    const module = await import(new URL(name.replace('.d.ts', '.js'), folder));
    assert.deepEqual(Object.keys(module).sort(), [...new Set(declared)].sort(), name);
  }
});
