"""What several adapters write alike: the rules that say when to search and when to store, and the skills."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from faiss_memory import InstallContext, OwnFile

SKILLS = ("recall", "remember", "forget")
SHARED_SKILL = "project-memory"
"""All three in one: what is committed takes one file of a repository, and a name that few have already."""


def template(name: str) -> str:
    """Read a text of `templates/`."""
    return files("faiss_memory_adapters").joinpath("templates", name).read_text(encoding="utf-8")


def filled(text: str, context: InstallContext) -> str:
    """Fill in where the service is and which project is meant."""
    return Template(text).substitute(url=context.url, project=context.project)


def is_set(context: InstallContext, setting: str) -> bool:
    """Return whether a plugin's setting of that name is on."""
    return any(getattr(section, setting, False) is True for section in context.sections)


RULES = template("rules.md")


def skill_files(folder: str, context: InstallContext) -> list[OwnFile]:
    """Return the skills as files of a folder, in the form that all assistants with skills agree on."""
    names = (SHARED_SKILL,) if context.scope == "shared" else SKILLS
    return [
        OwnFile(f"{folder}/{name}/SKILL.md", template(f"skills/{name}.md"), spared=True) for name in names
    ]


INSTRUCTIONS = OwnFile(
    ".github/instructions/faiss-memory.instructions.md",
    f"""---
description: When to search the project's memory, and what to store in it
applyTo: "**"
---

{RULES}""",
)
"""The rules in the form that Copilot reads, in the terminal and in VS Code."""
