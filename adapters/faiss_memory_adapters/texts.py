"""What several adapters write alike: the rules that say when to search and when to store, and the skills."""

from __future__ import annotations

from importlib.resources import files

from faiss_memory import OwnFile

SKILLS = ("recall", "remember", "forget")


def template(name: str) -> str:
    """Read a text of `templates/`."""
    return files("faiss_memory_adapters").joinpath("templates", name).read_text(encoding="utf-8")


RULES = template("rules.md")


def skill_files(folder: str) -> list[OwnFile]:
    """Give the skills as files of a folder, in the form that all assistants with skills agree on."""
    return [OwnFile(f"{folder}/{name}/SKILL.md", template(f"skills/{name}.md")) for name in SKILLS]
