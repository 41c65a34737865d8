// @ts-check
// A first tool: it greets people, in the words that the operator configured, and remembers whom it greeted.
// More is in docs/javascript.md.

import * as config from './sdk/config.js';
import { integer, optional, string } from './sdk/schema.js';
import * as state from './sdk/state.js';
import { InvalidArguments, tool } from './sdk/tollgate.js';

tool({
  name: 'greet',
  description: 'Greets a person.',
  input: {
    name: string({ minLength: 1, description: "The person's name." }),
    times: integer({ minimum: 1, maximum: 5, default: 1, description: 'How often to say hello.' }),
  },
  hints: { idempotent: true },
  run({ name, times }) {
    const person = name.trim();
    if (!person) throw new InvalidArguments('`name` should be a name');
    const greeting = config.text('greeting', 'Hello');
    state.run.set(`greeted/${person}`, 'yes');
    return Array(times).fill(`${greeting}, ${person}!`).join(' ');
  },
});

tool({
  name: 'greeted',
  description: 'Whom this run greeted so far.',
  input: { prefix: optional(string({ description: 'The beginning of the names to list.' })) },
  output: { names: { type: 'array', items: { type: 'string' } } },
  hints: { readOnly: true },
  run({ prefix = '' }) {
    const keys = state.run.keys(`greeted/${prefix}`);
    return { names: keys.map((key) => key.slice('greeted/'.length)) };
  },
});
