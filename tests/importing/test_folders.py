"""What assistants and people keep as files of text: their own memories, and rules that a person has written."""

from __future__ import annotations

import json

import pytest

from tests.importing_stores import read


def written(folder, **files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def texts(records):
    return {one.source: one.text for one in records}


@pytest.fixture
def shop(tmp_path):
    """A repository called so."""
    return written(tmp_path / "shop", **{".git/HEAD": "ref: refs/heads/main", ".git/config": ""})


def test_claude_code_has_memories_of_each_project(tmp_path, shop):
    claude = written(tmp_path / ".claude", **{
        "projects/-shop/memory/tests.md": "---\nname: tests\ndescription: how tests are run\ntype: feedback\n---\n\n"
        "Run `make`.\n",
        "projects/-shop/memory/MEMORY.md": "# Memory\n\n- [tests](tests.md): how\n\n## Build\n\nBuild with ninja.\n",
        "projects/-shop/1.jsonl": f'{{"type": "summary"}}\nno JSON\n{json.dumps({"cwd": str(shop)})}\n',
        "projects/-other/memory/MEMORY.md": "- [only](a.md) links\n",
        "commands/not-a-memory.md": "Do this",
    })  # fmt: skip
    name, records, left = read(claude)
    assert (name, list(left)) == ("claude-code", ["projects/-other/memory/MEMORY.md"])
    build, run = records
    assert (build.text, run.text) == ("# Memory\n## Build\n\nBuild with ninja.", "Run `make`.")
    assert (run.project, run.tags, run.cues) == ("shop", ("feedback",), ("how tests are run",))
    assert run.metadata["name"] == "tests"
    assert run.timestamp is not None
    single = read(claude / "projects/-shop/memory/tests.md")
    assert (single[0], [one.key for one in single[1]]) == ("claude-code", [run.key])


def test_codex_has_a_handbook_and_summaries_of_sessions(tmp_path):
    codex = written(tmp_path / ".codex", **{
        "memories/MEMORY.md": "# Group\n\nscope\n\n## Task\n\n- use rg\n",
        "memories/raw_memories.md": "raw",
        "memories/rollout_summaries/a.md": "Fixed it.",
        "memories/skills/x/SKILL.md": "A skill",
        "AGENTS.md": "no memory",
    })  # fmt: skip
    name, records, left = read(codex)
    assert (name, sorted(left)) == ("codex", ["raw_memories.md", "skills/x/SKILL.md"])
    assert texts(records) == {
        "MEMORY.md#Group": "# Group\n\nscope", "MEMORY.md#Group / Task": "# Group\n## Task\n\n- use rg",
        "rollout_summaries/a.md": "Fixed it.",
    }  # fmt: skip
    assert read(codex / "memories")[1] == records
    assert read(codex / "memories/rollout_summaries/a.md", "codex")[1] == records[2:]


@pytest.mark.parametrize("folder", ["file://[x", "file:///a\0b", 5, ["/"], "\ud800"])
def test_a_workspace_of_copilots_that_is_no_folder_names_no_project(tmp_path, folder):
    workspace = tmp_path / "workspaceStorage" / "w1"
    kept = workspace / "GitHub.copilot-chat/memory-tool/memories/style.md"
    kept.parent.mkdir(parents=True)
    kept.write_text("I like tabs.")
    (workspace / "workspace.json").write_text(json.dumps({"folder": folder}))
    _, records, _ = read(tmp_path, "copilot")
    assert [(record.text, record.project) for record in records] == [("I like tabs.", None)]


def test_copilot_has_memories_of_the_person_and_of_each_workspace(tmp_path, shop):
    within = "GitHub.copilot-chat/memory-tool/memories"
    user = written(tmp_path / "User", **{
        "globalStorage/github.copilot-chat/memory-tool/memories/style.md": "I like tabs.\n",
        f"workspaceStorage/abc/{within}/repo/env.md": "Use pnpm.\n",
        f"workspaceStorage/abc/{within}/repo/facts.jsonl": '{"subject": "tests", "fact": "Run vitest"}\n{}\n',
        f"workspaceStorage/abc/{within}/MTUyMWFiMzgtYTA2OC00ODAxLTgwZTUtNWVjNTQ2MGFiMDI1/plan.md": "a plan",
        "workspaceStorage/abc/workspace.json": json.dumps({"folder": f"file://{shop}"}),
        "globalStorage/readme.md": "no memory",
    })  # fmt: skip
    name, records, left = read(user)
    assert (name, len(left)) == ("copilot", 2)
    assert texts(records) == {
        "style.md": "I like tabs.",
        "repo/env.md": "Use pnpm.",
        "repo/facts.jsonl": "Run vitest",
    }
    assert {one.source: one.project for one in records} == {
        "style.md": None,
        "repo/env.md": "shop",
        "repo/facts.jsonl": "shop",
    }


RULES = {
    "CLAUDE.md": "# Shop\n\nUse pnpm.\n\n<!-- faiss-memory:start -->\nours\n<!-- faiss-memory:end -->\n"
    "<!-- a remark -->\n## Tests\n\n```sh\n# no heading\nmake\n```\n",
    ".cursorrules": "Be brief.",
    ".cursor/rules/ts.mdc": "---\ndescription: TypeScript\nglobs: *.ts,*.tsx\nalwaysApply: false\n---\n\nBe strict.\n",
    ".github/copilot-instructions.md": "Use tabs.",
    "packages/web/AGENTS.md": "Ask first.",
    "GEMINI.md": "<!-- faiss-memory:start -->\nours\n<!-- faiss-memory:end -->\n",
}


def test_rules_are_read_by_section_also_in_hidden_folders(shop):
    name, records, left = read(written(shop, **RULES))
    assert (name, list(left)) == ("rules", ["GEMINI.md"])
    assert texts(records) == {
        ".cursorrules": "Be brief.", "CLAUDE.md#Shop": "# Shop\n\nUse pnpm.",
        "CLAUDE.md#Shop / Tests": "# Shop\n## Tests\n\n```sh\n# no heading\nmake\n```",
        ".cursor/rules/ts.mdc": "Be strict.", ".github/copilot-instructions.md": "Use tabs.",
        "packages/web/AGENTS.md": "Ask first.",
    }  # fmt: skip
    assert {one.project for one in records} == {"shop"}
    (strict,) = [one for one in records if one.source.endswith("ts.mdc")]
    assert (strict.metadata["globs"], strict.tags) == ("*.ts,*.tsx", ("rules",))
    assert [one.key for one in read(shop / ".cursor/rules/ts.mdc")[1]] == [strict.key]
    rules = {(one.kind, one.key) for one in records}
    written(shop, **{"docs/agents.md": "A note.", ".github/ISSUE_TEMPLATE/bug.md": "no note"})
    name, records, _ = read(shop)
    assert (name, {(one.kind, one.key) for one in records if one.tags}) == ("markdown", rules)
    assert [one.text for one in records if not one.tags] == ["A note."]


def test_front_matter_of_others_is_kept_whatever_it_holds(tmp_path):
    folder = written(tmp_path / "notes", **{
        "a.md": "---\ntitle: Cache\ntype: guide\ntags: [x]\ndate: 2026-01-02\nnested: {a: [2026-01-03]}\n---\nRedis.",
        "bomb.md": "---\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True))
        + "---\ntext",
        "none.md": "---\njust a line\n---\ntext",
    })  # fmt: skip
    name, records, left = read(folder)
    assert (name, left, len(records)) == ("markdown", {}, 3)
    assert records[0].metadata == {
        "title": "Cache",
        "type": "guide",
        "date": "2026-01-02",
        "nested": {"a": ["2026-01-03"]},
    }
    assert (records[0].tags, records[0].timestamp.isoformat()) == (("x",), "2026-01-02T00:00:00+00:00")
    assert records[1].text.startswith("---")
    assert records[2].text == "---\njust a line\n---\ntext"
