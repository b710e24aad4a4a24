"""The command `faiss-memory mcp`, for assistants that start a program instead of asking an address."""

from __future__ import annotations

import sys

import click

import faiss_memory
from faiss_memory import ExampleCommand, project_option


@click.command(
    cls=ExampleCommand,
    section="Assistants",
    examples=["faiss-memory mcp < /dev/null", "faiss-memory mcp --project web < /dev/null"],
)
@click.option("--url", metavar="URL", help="The service's address; found by itself otherwise.")
@project_option("The project; that of the assistant's folder otherwise.")
def mcp(url: str | None, project: str | None) -> None:
    """Speak MCP on standard input and output, for an assistant.

    An assistant starts this by itself, as its configuration says. It passes everything on to the running service, holds
    nothing of its own, and ends with its input. Where the service does not run, the assistant's model is told so.
    """
    from faiss_memory_plugins.mcp.relay import Relay

    settings = faiss_memory.load_settings()
    url = url or click.get_current_context().find_root().params.get("url")

    def client() -> faiss_memory.Client:
        return faiss_memory.Client(faiss_memory.find_service(url, settings))

    client()  # an address that cannot be meant ends the command at once
    Relay(client, project, settings.limits).run(sys.stdin.buffer, sys.stdout.buffer)
