// The package `@modelcontextprotocol/client`: it speaks the newest revision where the server does.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

export async function connect({ url, command, args, cwd }) {
  const client = new Client(
    { name: "scenes", version: "1.0.0" },
    { versionNegotiation: { mode: "auto" } },
  );
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({ command, args, cwd });
  await client.connect(transport);
  return client;
}

export const call = (client, request, options) => client.callTool(request, options);
