// The export of a component, `tollgate:adapter/tools`.

import { ResultError, TollgateError } from './errors.js';
import { log } from './log.js';
import { find, invoke, tools } from './registry.js';
import { running, shown } from './runtime.js';

/** Rounds of pending work after which a promise that nothing settles is given up. */
const MAX_ROUNDS = 500_000;
const DEFECT =
  'The tool has a defect and could not finish: an error in its code was not handled. What it did before stays done. ' +
  "The operator finds the error in this run's trace.";

const json = (schema) => (schema === undefined ? undefined : JSON.stringify(schema));

function listTools() {
  return tools().map(({ run: _, inputSchema, outputSchema, ...rest }) => ({
    ...rest,
    inputSchema: json(inputSchema),
    outputSchema: json(outputSchema),
  }));
}

/** Waits for a promise. A tool has nothing to wait for but its own code, so one that stays open never ends. */
async function settled(promise) {
  let isOpen = true;
  const close = () => {
    isOpen = false;
  };
  promise.then(close, close);
  for (let round = 0; isOpen; round += 1) {
    if (round > MAX_ROUNDS) throw new Error('`run` never finished: it awaits a promise that nothing settles');
    await null;
  }
  return promise;
}

function explained(error) {
  if (error instanceof ResultError) return `gave no result: ${error.message}`;
  if (error instanceof Error) return `did not handle ${shown(error)}`;
  return `threw ${shown(error)}; throw an Error to see where`;
}

/** What is thrown to the host. Only an error that was meant for the agent reaches it. */
function refusal(name, error) {
  if (error instanceof TollgateError) return { tag: error.tag, val: error.message.toWellFormed() };
  log(`the tool \`${name}\` ${explained(error)}`, 'error');
  return { tag: 'failed', val: DEFECT };
}

async function callTool(name, args) {
  const tool = find(name);
  if (tool === undefined) throw { tag: 'unknown-tool' };
  running(true);
  try {
    const { content } = await settled(Promise.resolve(invoke(tool, JSON.parse(args))));
    return content.map(({ tag, val }) => ({ tag, val }));
  } catch (error) {
    throw refusal(name, error);
  } finally {
    running(false);
  }
}

/** The export, once every tool is declared. */
export function offer() {
  if (tools().length === 0) throw new Error('there is no tool: declare one with `tool({ name, description, run })`');
  return { listTools, callTool };
}
