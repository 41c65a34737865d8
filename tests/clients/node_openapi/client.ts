// A call, a refusal and a list, with the types that openapi-typescript generates: `gate.d.ts` next to this
// file. Arguments: the gate's address, a token.

import type { components, paths } from "./gate.js";

type NewCall = paths["/v1/calls"]["post"]["requestBody"]["content"]["application/json"];
type CallReply = paths["/v1/calls"]["post"]["responses"]["200"]["content"]["application/json"];
type Tools = paths["/v1/tools"]["get"]["responses"]["200"]["content"]["application/json"];
type Runs = paths["/v1/runs"]["get"]["responses"]["200"]["content"]["application/json"];
type Problem = components["schemas"]["Problem"];

declare const process: { argv: string[] };
const [address, token] = process.argv.slice(2);

async function ask(method: string, path: keyof paths, bearer: string, body?: NewCall): Promise<Response> {
  return fetch(address + path, {
    method,
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
}

const call: NewCall = { tool: "files__read", arguments: { path: "letter.txt" }, run: "generated" };
const tools = (await (await ask("GET", "/v1/tools", token!)).json()) as Tools;
const read = (await (await ask("POST", "/v1/calls", token!, call)).json()) as CallReply;
const runs = (await (await ask("GET", "/v1/runs", token!)).json()) as Runs;
const refused = await ask("POST", "/v1/calls", "not-a-token", call);
const problem = (await refused.json()) as Problem;

console.log(
  JSON.stringify({
    tools: tools.map((tool) => tool.name),
    outcome: read.outcome,
    content: read.content,
    runs: runs.runs.length,
    refused: [refused.status, problem.code],
  }),
);
