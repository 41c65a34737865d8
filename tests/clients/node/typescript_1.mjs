// The package `@modelcontextprotocol/sdk`: it knows the revisions with a handshake.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

export async function connect({ url, command, args, cwd }) {
  const client = new Client({ name: "scenes", version: "1.0.0" });
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({ command, args, cwd });
  await client.connect(transport);
  return client;
}

export const call = (client, request, options) => client.callTool(request, undefined, options);
