"""A command of a stranger's package."""

import click

from faiss_memory import ExampleCommand, asks_service


@click.command(cls=ExampleCommand, examples=["faiss-memory shout"])
@asks_service
def shout(session):
    """Shout as the service does."""
    click.echo(session.call("GET", "/shout")["said"].upper())
