// An authorization server (oidc-provider), and an MCP server that takes its tokens.
//
// Prints one line: {"issuer": .., "mcp": ..}. Ends with its standard input.
//
// Clients: `gate` by a secret and `signed` by a key (client credentials), `login` (authorization code). Users log in by
// the provider's own development pages. The MCP server has one tool, `whoami`: whose rights the token carries.
import { createServer } from "node:http";
import Provider from "oidc-provider";

// The provider's notices go where no one reads any more after the first line.
console.info = () => {};

const listen = (server) =>
  new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));

const { secret, key } = JSON.parse(process.argv[2]);
const as = createServer();
const rs = createServer();
const issuer = `http://127.0.0.1:${await listen(as)}`;
const mcp = `http://127.0.0.1:${await listen(rs)}/mcp`;
// Requests for tokens, as the client made them.
const seen = [];

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "gate",
      client_secret: secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: "signed",
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256",
      jwks: { keys: [key] },
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: "login",
      application_type: "native",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: ["http://127.0.0.1/callback"],
    },
  ],
  cookies: { keys: ["for tests"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => mcp,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => {
        if (resource !== mcp) throw new Error("no such resource");
        return { scope: "read write", audience: mcp, accessTokenTTL: 600, accessTokenFormat: "opaque" };
      },
    },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ["openid", "offline_access", "read", "write"],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.use(async (ctx, next) => {
  await next();
  if (ctx.path === "/token") {
    const { grant_type, resource, scope } = ctx.oidc?.params ?? {};
    seen.push({ grant_type, resource, scope, status: ctx.status });
  }
});
as.on("request", provider.callback());

// Tokens that do not count any more, although they have not expired.
const refused = new Set();

async function holder(request) {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  if (scheme !== "Bearer" || !token || refused.has(token)) return undefined;
  const found =
    (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
  if (!found || found.isExpired || found.aud !== mcp || !found.scope?.split(" ").includes("read")) return undefined;
  return { token, name: found.accountId ?? `client ${found.clientId}` };
}

const answer = (message, who) => {
  const tool = { name: "whoami", description: "Says whose rights it has.", inputSchema: { type: "object", properties: {} } };
  switch (message.method) {
    case "initialize":
      return {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "wiki", version: "1" },
      };
    case "tools/list":
      return { tools: [tool] };
    case "tools/call":
      // It repeats what it was sent, as a careless server does.
      return { content: [{ type: "text", text: `${who.name}, by ${who.token}` }] };
  }
};

rs.on("request", async (request, response) => {
  const send = (status, headers, value) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(value === undefined ? "" : JSON.stringify(value));
  };
  let text = "";
  for await (const piece of request) text += piece;
  if (request.url === "/.well-known/about-mcp") {
    return send(200, {}, { resource: mcp, authorization_servers: [issuer] });
  }
  if (request.url === "/seen") return send(200, {}, seen);
  const who = await holder(request);
  if (request.url === "/refuse") {
    // All tokens so far.
    const tokens = [...known];
    tokens.forEach((token) => refused.add(token));
    return send(200, {}, tokens.length);
  }
  if (request.url !== "/mcp") return send(404, {});
  if (!who) {
    const metadata = new URL("/.well-known/about-mcp", mcp);
    const challenge = `Bearer realm="wiki", error="invalid_token", resource_metadata="${metadata}"`;
    return send(401, { "www-authenticate": challenge });
  }
  known.add(who.token);
  if (request.method !== "POST") return send(405, {});
  const message = JSON.parse(text);
  if (message.id === undefined) return send(202, {});
  const result = answer(message, who);
  const reply = result ? { result } : { error: { code: -32601, message: "no such method" } };
  send(200, {}, { jsonrpc: "2.0", id: message.id, ...reply });
});
const known = new Set();

console.log(JSON.stringify({ issuer, mcp }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
