//! Upstream MCP servers: their tools, offered through the gate, outside the sandbox.
