// The tools of a component, and how one of them is called.

import { complete, fault } from './check.js';
import { parts } from './content.js';
import { declaration } from './declaration.js';
import { InvalidArguments, ResultError } from './errors.js';

const registered = new Map();

/** All tools, in their order. */
export const tools = () => [...registered.values()];

/** The tool of a name. */
export const find = (name) => registered.get(name);

const fits = ({ outputSchema }, content) => {
  if (outputSchema === undefined) return content;
  const found = content.find(({ tag }) => tag === 'structured');
  if (found === undefined) throw new ResultError('the result has no structured content, which `output` declares');
  const wrong = fault(outputSchema, JSON.parse(found.val));
  if (wrong) throw new ResultError(`the result does not match \`output\`${wrong.at && ` at ${wrong.at}`}: ${wrong.text}`);
  return content;
};

/** Runs a tool. Gives the result and its content, or a promise of both where `run` is asynchronous. */
export function invoke(tool, args) {
  const outcome = (result) => ({ result, content: fits(tool, parts(result)) });
  const result = tool.run(complete(tool.inputSchema, args));
  return typeof result?.then === 'function' ? result.then(outcome) : outcome(result);
}

// The gate has checked the arguments of a call already; those of a test are checked here.
function tried(tool, args) {
  const wrong = fault(tool.inputSchema, args);
  if (wrong) throw new InvalidArguments(`${wrong.at || 'the arguments'}: ${wrong.text}`);
  const outcome = invoke(tool, args);
  return typeof outcome.then === 'function' ? outcome.then(({ result }) => result) : outcome.result;
}

/**
 * Makes a tool. An argument with `default` or `optional: true` may be left out. `run` gets the arguments, with the
 * defaults, and gives a text, any JSON value (structured content), `Content`, or a promise of one of them. `hints`
 * are for people and agents, never grounds for a decision. The result is a function that calls the tool, for tests.
 */
export function tool(definition) {
  const made = declaration(definition);
  const { name } = made;
  if (registered.has(name)) throw new Error(`two tools are called \`${name}\``);
  registered.set(name, made);
  return (args = {}) => tried(made, args);
}

/** Calls a tool by its name, as a test does: arguments and result are checked as by the gate. */
export function call(name, args = {}) {
  const made = registered.get(name);
  if (made === undefined) throw new Error(`there is no tool \`${name}\`; there are: ${[...registered.keys()].join(', ')}`);
  return tried(made, args);
}
