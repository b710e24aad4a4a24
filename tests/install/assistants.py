"""Made-up assistants that share files with each other, as real ones do."""

from __future__ import annotations

from faiss_memory import Adapter, Detection, JsonItems, MarkdownBlock, OwnFile, PromptTemplate, YamlItem
from tests.install.parts import HOOK, json_parts, markdown_parts, toml_parts, yaml_parts

PROMPT = PromptTemplate("made-up", "Ask $url about $project.\n")


def _adapter(name, files, **more):
    return Adapter(name=name, title=name.title(), prompt=PROMPT, files=files, **more)


def _one(context):
    return [
        *json_parts(False, ".one/settings.json"),
        OwnFile(
            ".one/rules/faiss-memory.md", f"Ask faiss-memory at {context.url} about {context.project}.\n"
        ),
        *markdown_parts(),
    ]


def _two(context):
    hook = {"hooks": [{"type": "command", "command": context.hook_command}]}
    return [
        *json_parts(True, ".two/config.jsonc"),
        JsonItems(".one/settings.json", ("hooks", "SessionStart"), (hook, HOOK)),
        *toml_parts(".two/config.toml"),
        MarkdownBlock("AGENTS.md", f"Two asks faiss-memory about {context.project}.\n"),
    ]


def _three(context):
    return [
        *yaml_parts("three.yml"),
        YamlItem("three.yml", ("read",), "three.md"),
        *markdown_parts("docs/THREE.md"),
        *toml_parts(".two/config.toml"),
        OwnFile(".one/rules/faiss-memory.md", "Three says the same otherwise: faiss-memory.\n"),
    ]


ONE = _adapter("one", _one, steps=lambda context: [f"Trust {context.folder}."])
TWO = _adapter("two", _two, detection=Detection(paths=(".two",)))
THREE = _adapter("three", _three, scopes=("personal", "shared"))
ALL = (ONE, TWO, THREE)
FILES = (
    ".one/settings.json",
    ".two/config.jsonc",
    ".two/config.toml",
    "AGENTS.md",
    "three.yml",
    "docs/THREE.md",
)
