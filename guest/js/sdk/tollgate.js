// Tools for AI agents behind a Tollgate, in JavaScript.
//
// `tool({ name, description, input, run })` makes a tool: `input` is the JSON Schema of each argument, by
// name, and becomes what arguments are checked against and what policies are typed by. What a tool wants of
// the world it asks for (`files.js`, `config.js`, `log.js`), and each thing it asks for is decided.

/** Why a call did not succeed; the text is for the agent. */
export class Failed extends Error {
  tag = 'failed';
}

/** The arguments match the schema but make no sense; say which and why. */
export class InvalidArguments extends Failed {
  tag = 'invalid-arguments';
}

/** Policy refused something that the tool needed. */
export class Denied extends Failed {
  tag = 'denied';
}

const registered = new Map();

/**
 * Make a tool. An argument with `default` or `optional: true` may be left out. `run` gets the arguments and
 * gives text, or any JSON value, which becomes structured content. `hints` (readOnly, destructive,
 * idempotent, openWorld) are for people and agents, never grounds for a decision.
 */
export function tool({ name, title, description, input = {}, output, hints = {}, run }) {
  if (registered.has(name)) throw new Error(`two tools are called ${name}`);
  const required = Object.keys(input).filter((key) => !input[key].optional && input[key].default === undefined);
  const properties = Object.fromEntries(
    Object.entries(input).map(([key, { optional, ...schema }]) => [key, schema]),
  );
  const inputSchema = { type: 'object', properties, required, additionalProperties: false };
  const annotations = { readOnly: false, destructive: false, idempotent: false, openWorld: false, ...hints };
  registered.set(name, { name, title, description, inputSchema, output, annotations, run });
}

/** Call a tool by its name, as a test does. */
export function call(name, args) {
  return registered.get(name).run(args);
}

/** What the component exports: `tollgate:adapter/tools`. */
export const tools = {
  listTools: () =>
    [...registered.values()].map(({ name, title, description, inputSchema, output, annotations }) => ({
      name,
      title,
      description,
      inputSchema: JSON.stringify(inputSchema),
      outputSchema: output && JSON.stringify(output),
      annotations,
    })),

  callTool(name, args) {
    if (!registered.has(name)) throw { tag: 'unknown-tool' };
    let result;
    try {
      result = call(name, JSON.parse(args));
    } catch (error) {
      // Anything else is a mistake of the tool, and ends the call.
      if (error instanceof Failed) throw { tag: error.tag, val: error.message };
      throw error;
    }
    if (result === undefined || result === null) return [];
    if (typeof result === 'string') return [{ tag: 'text', val: result }];
    const json = JSON.stringify(result);
    return [
      { tag: 'text', val: json },
      { tag: 'structured', val: json },
    ];
  },
};
