// A first tool: it greets people.

import { InvalidArguments, tool } from './sdk/tollgate.js';

tool({
  name: 'greet',
  description: 'Greets a person.',
  input: {
    name: { type: 'string', minLength: 1, description: "The person's name." },
    times: { type: 'integer', minimum: 1, maximum: 5, default: 1, description: 'How often to say hello.' },
  },
  hints: { readOnly: true, idempotent: true },
  run({ name, times = 1 }) {
    if (!name.trim()) throw new InvalidArguments('`name` should be a name');
    return Array(times).fill(`Hello, ${name.trim()}!`).join(' ');
  },
});
