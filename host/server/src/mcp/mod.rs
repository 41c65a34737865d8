//! The Model Context Protocol: the gate as a server, over stdio and streamable HTTP.
