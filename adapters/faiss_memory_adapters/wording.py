"""What the adapters' texts have in common: templates, what is filled into them, and addresses of the service."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from faiss_memory import InstallContext


def template(name: str) -> str:
    """Read a template, such as `generic/agents.md`."""
    return files("faiss_memory_adapters").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def filled(text: str, context: InstallContext) -> str:
    """Fill in where the service is and which project is meant."""
    return Template(text).substitute(url=context.url, project=context.project)


def address(context: InstallContext, path: str) -> str:
    """Give a call's address, with the project in it; the user's own files serve many projects, and carry none."""
    carried = "" if context.scope == "user" else f"?project={context.project}"
    return f"{context.url}{path}{carried}"
