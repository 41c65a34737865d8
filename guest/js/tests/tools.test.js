// Declarations and results of tools. Run with `node --test`, in this folder.

import assert from 'node:assert';
import { test } from 'node:test';

import { array, boolean, choice, integer, map, nullable, object, optional, string } from '../sdk/schema.js';
import { stack } from '../sdk/trace.js';
import { InvalidArguments, call, image, structured, text, tool } from '../sdk/tollgate.js';
import { invoke, find, tools } from '../sdk/registry.js';

test('without a gate and without its double, an interface says so', async () => {
  const log = await import('../sdk/log.js');
  assert.throws(() => log.info('x'), /testing\.js/);
});

test('a declaration is checked when it is made, and the tool and the field are named', () => {
  const whole = { name: 'a', description: 'x', run: () => '' };
  for (const [definition, says] of [
    [undefined, /declared by an object/],
    [{ ...whole, name: 'a b' }, /no fitting `name`: "a b"/],
    [{ ...whole, description: undefined }, /the tool `a`, `description`: it is missing/],
    [{ ...whole, description: ' ' }, /`description`/],
    [{ ...whole, run: undefined }, /the tool `a`, `run`/],
    [{ ...whole, inputs: {} }, /the tool `a`, `inputs`: there is no such field/],
    [{ ...whole, title: 5 }, /`title`/],
    [{ ...whole, hints: { read_only: true } }, /`hints.read_only`/],
    [{ ...whole, hints: { readOnly: 1 } }, /`hints.readOnly`/],
    [{ ...whole, input: { a: 'string' } }, /`input.a`: it should be a schema/],
    [{ ...whole, input: { a: { type: 'strng' } } }, /the tool `a`, `input.a.type`: "strng" is not a type/],
    [{ ...whole, input: { a: string({ pattern: '(' }) } }, /`input.a.pattern`/],
    [{ ...whole, input: { a: integer({ default: 'x' }) } }, /`input.a.default`: it does not match/],
    [{ ...whole, input: { a: array(object({ b: { type: 'int' } })) } }, /`input.a.items.properties.b.type`/],
    [{ ...whole, input: { a: choice([]) } }, /`input.a.enum`/],
    [{ ...whole, input: { a: string({ maxLength: -1 }) } }, /`input.a.maxLength`/],
    [{ ...whole, input: { a: { $ref: '#/$defs/none' } } }, /`input.a.\$ref`/],
    [{ ...whole, output: { a: { anyOf: [] } } }, /`output.a.anyOf`/],
    [{ ...whole, output: { type: 'string' } }, /`output`: a whole schema/],
    [{ ...whole, input: { type: 'object', properties: {}, required: ['b'], additionalProperties: false } }, /`input.required`: there is no property "b"/],
  ]) {
    assert.throws(() => tool(definition), says);
  }
  assert.deepEqual(tools(), []);
  tool(whole);
  assert.throws(() => tool(whole), /two tools are called `a`/);
});

test('arguments are checked, and defaults are filled in', () => {
  const seen = tool({
    name: 'seen',
    description: 'x',
    input: {
      name: string({ minLength: 2 }),
      times: integer({ minimum: 1, default: 3 }),
      unit: optional(choice(['c', 'f'])),
      deep: object({ on: boolean({ default: true }) }, { default: {} }),
      more: optional(map(nullable(integer()))),
      place: optional({ enum: [{ x: 1, y: 2 }] }),
      // Not a regular expression with the flag `u`.
      code: optional(string({ pattern: '^[\\w-.]+[a-z]$' })),
    },
    run: (args) => args,
  });
  assert.ok(seen({ name: 'ab', place: { y: 2, x: 1 }, code: 'a.b' }));
  assert.deepEqual(seen({ name: 'ab' }), { name: 'ab', times: 3, deep: {} });
  assert.deepEqual(seen({ name: 'ab', deep: {} }).deep, { on: true });
  assert.deepEqual(find('seen').inputSchema.required, ['name']);
  for (const [args, says] of [
    [{}, /`name` is missing/],
    [{ name: 'a' }, /\/name: should have at least 2 characters/],
    [{ name: 'ab', times: 0 }, /\/times: should be at least 1/],
    [{ name: 'ab', times: 1.5 }, /\/times: should be an integer/],
    [{ name: 'ab', unit: 'k' }, /\/unit: should be one of "c", "f"/],
    [{ name: 'ab', more: { x: 'y' } }, /\/more\/x/],
    [{ name: 'ab', place: { y: 2, x: 2 } }, /\/place: should be one of/],
    [{ name: 'ab', code: 'A' }, /\/code: should match/],
    [{ name: 'ab', nam: 1 }, /there is no `nam`/],
  ]) {
    assert.throws(() => seen(args), (error) => error instanceof InvalidArguments && says.test(error.message), String(says));
  }
  assert.throws(() => call('none'), /there is no tool `none`; there are: .*seen/);
});

test('a result that JSON cannot say is an error with a pointer', () => {
  const circle = {};
  circle.me = [circle];
  const results = {
    undefined: [undefined, /`run` returned undefined/],
    nan: [{ a: [1, NaN] }, /at \/a\/1: NaN/],
    infinity: [Infinity, /Infinity/],
    circle: [circle, /at \/me\/0: it contains itself/],
    big: [{ a: 2n ** 60n }, /at \/a: a bigint/],
    bytes: [{ b: new Uint8Array(2) }, /at \/b: they are bytes/],
    map: [{ m: new Map() }, /of the type Map/],
    error: [{ e: new RangeError() }, /of the type RangeError/],
    promise: [{ p: Promise.resolve(1) }, /an `await` is missing/],
    fn: [{ f() {} }, /at \/f: it is a function/],
    hole: [[1, undefined], /at \/1: it is undefined/],
  };
  tool({ name: 'results', description: 'x', input: { how: string() }, run: ({ how }) => results[how][0] });
  for (const [how, [, says]] of Object.entries(results)) assert.throws(() => call('results', { how }), says, how);

  const good = tool({ name: 'good', description: 'x', run: () => ({ a: 1n, b: undefined, d: new Date(0), s: '\ud800' }) });
  good();
  const { content } = invoke(find('good'), {});
  assert.deepEqual(content.map(({ tag }) => tag), ['text', 'structured']);
  assert.deepEqual(JSON.parse(content[1].val), { a: 1, d: '1970-01-01T00:00:00.000Z', s: '\ufffd' });
});

test('a result is what `output` declares', async () => {
  const output = { n: integer(), more: optional(string()) };
  const some = tool({ name: 'some', description: 'x', input: { n: optional({}) }, output, run: ({ n }) => ({ n }) });
  assert.deepEqual(some({ n: 1 }), { n: 1 });
  assert.throws(() => some({ n: 'one' }), /does not match `output` at \/n: should be an integer, and is "one"/);
  assert.throws(() => some({}), /`n` is missing/);
  const later = tool({ name: 'later', description: 'x', output, run: async () => ({ n: 'one' }) });
  await assert.rejects(later(), /at \/n/);
  const bare = tool({ name: 'bare', description: 'x', output, run: () => 'text' });
  assert.throws(() => bare(), /no structured content/);
  const own = tool({ name: 'own', description: 'x', output, run: () => [text('one'), structured({ n: 1 })] });
  assert.equal(own().length, 2);
  const picture = tool({ name: 'picture', description: 'x', run: () => image('image/png', new Uint8Array(1)) });
  assert.equal(picture().tag, 'image');
  const nothing = tool({ name: 'nothing', description: 'x', run: () => null });
  assert.deepEqual([nothing(), invoke(find('nothing'), {}).content], [null, []]);
});

test('a trace names the lines of the sources', () => {
  globalThis[Symbol.for('tollgate.sources')] = { sources: ['../tool.ts', '../sdk/log.js'], lines: [[0, 0], [0, 5], [1, 0]] };
  const error = new RangeError('odd', { cause: new TypeError('under it') });
  error.stack = 'inner@a/bundle.mjs:2:9\n@a/bundle.mjs:1:1\nsdk@a/bundle.mjs:3:1\nexport@/x/initializer.js:1:1\n';
  error.cause.stack = '';
  assert.equal(
    stack(error),
    'RangeError: odd\n  at inner (tool.ts:6)\n  at top level (tool.ts:1)\ncaused by TypeError: under it',
  );
});
