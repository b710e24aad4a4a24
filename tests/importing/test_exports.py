"""What ChatGPT and Claude give as an export: what a person has had saved, and conversations only if asked for."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.importing_stores import read


def node(key, parent, role, text, **message):
    given = {"content_type": "text", "parts": [text]}
    message = {
        "id": f"m-{key}",
        "author": {"role": role},
        "content": given,
        "create_time": 1767323045.5,
        **message,
    }
    return {key: {"id": key, "parent": parent, "children": [], "message": message}}


CONTEXT = {
    "content": {"content_type": "user_editable_context", "user_profile": "P", "user_instructions": "I"},
    "metadata": {
        "is_visually_hidden_from_conversation": True,
        "user_context_message_data": {
            "about_user_message": "I am a nurse",
            "about_model_message": "Be brief",
        },
    },
}
CONVERSATION = {
    "title": "Tea", "create_time": 1767323045.5, "conversation_id": "c", "current_node": "e",
    "mapping": {
        "root": {"id": "root", "parent": None, "message": None},
        **node("a", "root", "user", "", **CONTEXT),
        **node("b", "a", "user", "Edited away"),
        **node("c", "a", "user", "Remember that I like tea", create_time=None),
        **node("d", "c", "assistant", "The user likes tea.", recipient="bio"),
        **node("f", "c", "assistant", "Forget that the user likes coffee.", recipient="bio"),
        **node("e", "d", "assistant", "I will."),
    },
}  # fmt: skip
CHATGPT = {
    "conversations.json": [CONVERSATION, {**CONVERSATION, "mapping": None}, 7],
    "user.json": {"id": "u"},
    "message_feedback.json": [],
}
CLAUDE = {
    "conversations.json": [
        {
            "uuid": "c", "name": "Poems", "chat_messages": [
                {"uuid": "m", "sender": "human", "text": "", "content": [{"type": "text", "text": "Write one"}],
                 "attachments": [{"extracted_content": "a file"}], "created_at": "2026-01-02T03:04:05.678Z"},
                {"uuid": "n", "sender": "assistant", "text": "No", "content": []},
            ],
        }
    ],
    "memories.json": [{
        "conversations_memory": "**Work**\n\nA nurse.\n\n**Likes**\n\nTea.", "account_uuid": "u",
        "project_memories": {"p": "Writes sonnets."},
    }],
    "projects.json": [{
        "uuid": "p", "name": "Poems", "prompt_template": "Rhyme.", "created_at": "2026-01-01T00:00:00Z",
        "docs": [{"uuid": "d", "filename": "metre.md", "content": "Iambic."}, {"uuid": "e", "content": ""}],
    }],
    "users.json": [{"uuid": "u", "full_name": "Alice"}],
}  # fmt: skip


def packed(path, documents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in documents.items():
            archive.writestr(name, json.dumps(value))
    return path


@pytest.mark.parametrize("how", ["zip", "folder", "file"])
def test_of_chatgpt_what_was_saved_is_read_and_no_conversation(tmp_path, how):
    path = packed(tmp_path / "export.zip", CHATGPT)
    if how != "zip":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "export")
        path = tmp_path / "export" / ("conversations.json" if how == "file" else "")
    name, records, left = read(path)
    assert name == "chatgpt"
    assert {one.text: one.tags for one in records} == {
        "I am a nurse": ("custom-instructions",), "Be brief": ("custom-instructions",),
        "The user likes tea.": ("saved-memory",),
    }  # fmt: skip
    assert records[-1].timestamp.isoformat() == "2026-01-02T03:04:05.500000+00:00"
    assert sorted(left) == ["1 conversations", "m-f"]
    assert "chatgpt-conversations" in left["1 conversations"]
    (said,) = read(path, "chatgpt-conversations")[1]
    assert (said.text, said.source, said.timestamp) == ("Remember that I like tea", "Tea", None)


def test_newer_exports_of_chatgpt_have_documents_of_their_own(tmp_path):
    path = packed(tmp_path / "export.zip", {
        "conversations-000.json": [CONVERSATION], "conversations-001.json": [CONVERSATION],
        "memories.json": [{"id": "x", "content": "Likes cats", "created_at": "2026-01-02T03:04:05Z"}],
        "custom_instructions.json": {"about_user": "Lives in Rome", "about_model": "", "enabled": True},
    })  # fmt: skip
    name, records, _ = read(path)
    assert (name, len(records)) == ("chatgpt", 5)
    assert {"Likes cats", "Lives in Rome"} < {one.text for one in records}


def test_of_claude_memories_and_projects_are_read_and_no_conversation(tmp_path):
    path = packed(tmp_path / "export.zip", CLAUDE)
    name, records, left = read(path)
    assert (name, len(left)) == ("claude-ai", 2)
    assert {one.text: one.project for one in records} == {
        "## Work\n\nA nurse.": None, "## Likes\n\nTea.": None, "Writes sonnets.": "Poems", "Rhyme.": "Poems",
        "Iambic.": "Poems",
    }  # fmt: skip
    (said,) = read(path, "claude-ai-conversations")[1]
    assert (said.text, said.source) == ("Write one", "Poems")
    assert said.timestamp.isoformat() == "2026-01-02T03:04:05.678000+00:00"
