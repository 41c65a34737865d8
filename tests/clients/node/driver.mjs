// Drives one MCP client as its standard input says, so that every client plays the same scenes.
//
//   node driver.mjs CLIENT
//
// It speaks as ../python/driver.py does. The client is a module in this folder.

import { createInterface } from "node:readline";

const client = await import(`./${process.argv[2]}.mjs`);
const under_way = new Map();
let session;

const commands = {
  async open(where) {
    await commands.close();
    session = await client.connect(where);
  },
  async list() {
    const { tools } = await session.listTools();
    return { tools: tools.map((tool) => tool.name) };
  },
  async call({ tool, args = {}, progress }, signal) {
    let seen = 0;
    const onprogress = progress ? () => (seen += 1) : undefined;
    const told = await client.call(session, { name: tool, arguments: args }, { signal, onprogress });
    const texts = told.content.filter((part) => part.type === "text");
    return {
      text: texts.map((part) => part.text).join("\n"),
      error: told.isError ?? false,
      decision: told._meta?.["dev.tollgate/decision"],
      ...(progress && { progress: seen }),
    };
  },
  async cancel({ of }) {
    const call = under_way.get(of);
    call.abort.abort("cancelled by the test");
    await call.answered;
  },
  async close() {
    await session?.close();
    session = undefined;
  },
};

async function answer(request, signal) {
  try {
    return await commands[request.do](request, signal);
  } catch (error) {
    return signal.aborted ? { cancelled: true } : { failed: `${error.name}: ${error.message}` };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const abort = new AbortController();
  const answered = answer(request, abort.signal).then((reply) => {
    process.stdout.write(`${JSON.stringify({ id: request.id, ...reply })}\n`);
  });
  under_way.set(request.id, { abort, answered });
}
await commands.close();
