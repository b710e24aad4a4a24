"""MCP: the service's memories for every client that speaks the Model Context Protocol, at `/mcp`.

`plugin` mounts `endpoint`, which takes each request over `bridge` to the official SDK; `server` says there what the
service offers, and alone imports the SDK. What the tools do is in `calls`, what a model reads in `notes`; `prompts`,
`resources` and `connector` (ChatGPT's two tools) are the rest. `caller` knows who asks, and about which project.
"""
