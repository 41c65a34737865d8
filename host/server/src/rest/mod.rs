//! The REST surface, `/v1`: calls of agents without MCP, approvals, runs.
