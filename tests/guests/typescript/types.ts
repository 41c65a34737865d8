// What the compiler has to accept and to refuse. Never run.

import * as config from './sdk/config.js';
import { fetch } from './sdk/http.js';
import { choice, integer, map, nullable, optional, string } from './sdk/schema.js';
import * as secrets from './sdk/secrets.js';
import { Denied, tool } from './sdk/tollgate.js';

const made = tool({
  name: 'made',
  description: 'Types come from the schemas.',
  input: {
    name: string({ minLength: 1 }),
    times: integer({ default: 1 }),
    unit: choice(['c', 'f']),
    note: optional(nullable(string())),
    tags: { type: 'array', items: { type: 'string' } },
    counts: map(integer()),
  },
  output: { words: string(), more: optional(integer()) },
  run({ name, times, unit, note, tags, counts }) {
    const all: [string, number, 'c' | 'f', string | null | undefined, string[], Record<string, number>] = [
      name, times, unit, note, tags, counts,
    ];
    // @ts-expect-error: `times` has a default, so it is a number and no text
    const words: string = times;
    return { words: all.join() + words };
  },
});

export const result: { words: string } = made({ name: 'a', unit: 'c', tags: [], counts: {} });
// @ts-expect-error: `unit` is missing
made({ name: 'a', tags: [], counts: {} });
// @ts-expect-error: there is no unit `k`
made({ name: 'a', unit: 'k', tags: [], counts: {} });

tool({
  name: 'other',
  description: 'x',
  output: { n: integer() },
  // @ts-expect-error: the result does not match `output`
  run: () => ({ n: 'one' }),
});
// @ts-expect-error: nothing is returned
tool({ name: 'nothing', description: 'x', run: () => {} });
// @ts-expect-error: the description is missing
tool({ name: 'bare', run: () => '' });
// @ts-expect-error: there is no hint of this name
tool({ name: 'hint', description: 'x', hints: { read_only: true }, run: () => '' });

tool({ name: 'waits', description: 'x', output: { n: integer() }, run: async () => ({ n: 1 }) });
tool({
  name: 'whole',
  description: 'x',
  input: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'integer' } }, required: ['a'] },
  run: ({ a, b }) => a.toUpperCase() + (b ?? 0).toFixed(),
});

export const region: string = config.text('region', 'eu');
// @ts-expect-error: without a fallback it may be undefined
export const limit: number = config.number('limit');
export const reason = (error: unknown): string => (error instanceof Denied ? error.reason : '');
export const answer: Promise<string> = fetch('https://a.example', { secrets: [secrets.bearer('a')], json: {} }).then((r) =>
  r.check().text(),
);
// @ts-expect-error: a secret is named by a function of `secrets.js`
void fetch('https://a.example', { secrets: ['a'] });
