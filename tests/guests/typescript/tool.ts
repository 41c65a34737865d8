// Everything that the SDK for JavaScript offers, in one component of the tests.

import * as calls from './sdk/calls.js';
import * as clock from './sdk/clock.js';
import * as config from './sdk/config.js';
import * as files from './sdk/files.js';
import * as log from './sdk/log.js';
import * as progress from './sdk/progress.js';
import * as random from './sdk/random.js';
import { choice, integer, nullable, object, optional, string } from './sdk/schema.js';
import * as secrets from './sdk/secrets.js';
import * as state from './sdk/state.js';
import { TollgateError, image, resource, structured, text, tool } from './sdk/tollgate.js';
import './issues.ts';

const code = (act: () => unknown): string => {
  try {
    act();
    return 'none';
  } catch (error) {
    if (error instanceof TollgateError) return error.code;
    throw error;
  }
};

tool({
  name: 'interfaces',
  description: 'Uses every interface once.',
  input: { note: string(), other: optional(string()) },
  output: {
    files: object({ names: { type: 'array', items: string() }, size: integer(), missing: string() }),
    state: object({ count: integer(), text: nullable(string()), swapped: { type: 'boolean' } }),
    config: object({ region: string(), limit: integer(), missing: { type: 'boolean' } }),
    clock: object({ year: integer(), elapsed: integer() }),
    random: object({ bytes: integer(), uuid: string({ pattern: '^[0-9a-f-]{36}$' }) }),
    secret: { type: 'boolean' },
    call: string(),
  },
  run({ note, other = 'nothing__here' }) {
    log.debug('begin');
    progress.report(1, 2, 'half');
    files.write('desk', 'notes/a.txt', note);
    files.append('desk', 'notes/a.txt', '!');
    const count = Number(state.adapter.getText('count') ?? '0') + 1;
    state.adapter.set('count', String(count));
    state.run.setJson('note', { note });
    progress.report(2n, 2n);
    return {
      files: {
        names: files.list('desk', 'notes').map(({ name }) => name),
        size: files.stat('desk', 'notes/a.txt').size,
        missing: code(() => files.read('desk', 'none')),
      },
      state: {
        count,
        text: state.run.getText('note') ?? null,
        swapped: state.run.compareAndSet('lock', undefined, 'taken'),
      },
      config: {
        region: config.text('region', 'none'),
        limit: Number(config.integer('limit', 0)),
        missing: config.get('missing') === undefined,
      },
      clock: { year: new Date(clock.now()).getUTCFullYear(), elapsed: clock.elapsed() },
      random: { bytes: random.bytes(16).length, uuid: random.uuid() },
      secret: secrets.exists('tracker'),
      call: code(() => calls.call(other, {})),
    };
  },
});

tool({
  name: 'language',
  description: "What the language itself offers asks the gate: `Date`, `Math.random`, `crypto` and `console`.",
  output: { now: integer(), random: { type: 'number' }, uuid: string(), later: string(), fetch: string() },
  async run() {
    console.log('a line', { of: [1n, null] });
    console.error(new RangeError('shown whole'));
    const later = await new Promise<string>((resolve) => setTimeout(() => resolve('ran'), 0));
    const refused: unknown = await fetch('https://unknown.example/').then(() => 'none', (error) => error.code);
    return { now: Date.now(), random: Math.random(), uuid: crypto.randomUUID(), later, fetch: String(refused) };
  },
});

tool({
  name: 'parts',
  description: 'Every kind of content.',
  run: () => [
    text('words'),
    image('image/png', new Uint8Array([1, 2])),
    resource('note:1', { text: 'a note', mediaType: 'text/plain' }),
    structured({ a: 1n, when: new Date(0) }),
  ],
});

const circle: { again?: unknown } = {};
circle.again = [circle];
const wrong: unknown = { n: 'one' };

function deep(): unknown {
  const nothing = undefined as unknown as { foo: unknown };
  return nothing.foo;
}

const ends: Record<string, () => any> = {
  type: () => deep(),
  text: () => {
    throw 'only a text';
  },
  later: async () => {
    await null;
    return deep();
  },
  output: () => wrong,
  undefined: () => undefined,
  nan: () => ({ n: NaN }),
  circle: () => circle,
  promise: () => ({ n: Promise.resolve(1) }),
  never: () => new Promise(() => {}),
  wait: () => new Promise((resolve) => setTimeout(resolve, 1000)),
  floating: () => {
    Promise.reject(new Error('no one waits for this'));
    return { n: 1 };
  },
  recursion: () => {
    const again = (n: number): number => 1 + again(n + 1);
    return { n: again(0) };
  },
};

tool({
  name: 'crash',
  description: 'Ends in one of the ways of mistakes.',
  input: { how: choice(Object.keys(ends)) },
  output: { n: integer() },
  run: ({ how }) => ends[how]?.(),
});
