"""Internal: ranking for other programs: JSON-RPC on standard input, HTTP, and MCP."""
