// The declaration of a tool: what is wrong with it is said when the tool is made, so by the build and by tests.

import { mistake } from './check.js';
import { record } from './record.js';

const FIELDS = ['name', 'title', 'description', 'input', 'output', 'hints', 'run'];
const HINTS = ['readOnly', 'destructive', 'idempotent', 'openWorld'];
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A declaration as the gate wants it. Throws an Error with the name of the tool and of the field. */
export function declaration(definition) {
  if (!isObject(definition)) throw new Error('a tool is declared by an object: tool({ name, description, run })');
  const { name, title, description, input = {}, output, hints = {}, run } = definition;
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new Error(`a tool has no fitting \`name\`: ${JSON.stringify(name)}; take 1 to 64 of A-Z, a-z, 0-9, _ and -`);
  }
  const wrong = (field, text) => new Error(`the tool \`${name}\`, \`${field}\`: ${text}`);
  const known = (given, names, field) => {
    const other = Object.keys(given).find((key) => !names.includes(key));
    if (other !== undefined) throw wrong(field(other), `there is no such field; there are ${names.join(', ')}`);
  };
  known(definition, FIELDS, (key) => key);
  if (typeof description !== 'string' || !description.trim()) {
    throw wrong('description', 'it is missing; say for the model what the tool does and when to use it');
  }
  if (title !== undefined && typeof title !== 'string') throw wrong('title', 'it should be a text');
  if (typeof run !== 'function') throw wrong('run', 'it should be the function that does the work');
  if (!isObject(hints)) throw wrong('hints', 'it should be an object, such as { readOnly: true }');
  known(hints, HINTS, (key) => `hints.${key}`);
  const other = HINTS.find((key) => hints[key] !== undefined && typeof hints[key] !== 'boolean');
  if (other) throw wrong(`hints.${other}`, 'it should be true or false');
  return {
    name,
    title,
    description,
    inputSchema: schema(input, 'input', wrong),
    outputSchema: output === undefined ? undefined : schema(output, 'output', wrong),
    annotations: Object.fromEntries(HINTS.map((key) => [key, hints[key] ?? false])),
    run,
  };
}

// Either the fields of an object, or a whole schema: its `type` is a text.
function schema(given, field, wrong) {
  if (!isObject(given)) throw wrong(field, 'it should be an object with a schema for each name');
  const isWhole = typeof given.type === 'string';
  if (isWhole && given.type !== 'object') {
    throw wrong(field, `a whole schema has the type "object"; or give a schema for each name`);
  }
  if (!isWhole) {
    const other = Object.keys(given).find((name) => !isObject(given[name]));
    if (other !== undefined) throw wrong(`${field}.${other}`, "it should be a schema, such as { type: 'string' }");
  }
  const whole = isWhole ? given : record(given, field === 'output');
  const found = mistake(whole);
  if (found) {
    const at = (isWhole ? found.at : found.at.replace(/^\/properties/, '')).replaceAll('/', '.');
    throw wrong(`${field}${at}`, found.text);
  }
  return whole;
}
