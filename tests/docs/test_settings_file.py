"""config/faiss-memory.yaml says every setting with its default, and why one would change it."""

from __future__ import annotations

import re

import pytest

from faiss_memory.plugin_host import section_types
from faiss_memory.settings import NOT_SETTINGS, SHORT_NAMES, environment_name, known_keys, load
from tests.docs.documents import DOCUMENTS, ROOT

FILE = ROOT / "config" / "faiss-memory.yaml"
KEYS = known_keys(section_types(()))


def test_the_settings_file_holds_the_defaults(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load(FILE, {}, {}, section_types).settings == load(None, {}, {}, section_types).settings


def test_the_settings_file_holds_every_setting():
    origins = load(FILE, {}, {}, section_types).origins
    assert [origin.key for origin in origins if origin.origin != str(FILE)] == []


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_setting_is_explained(key):
    name = key.rsplit(".", 1)[-1]
    lines = FILE.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if re.match(rf" *{name}:", line))
    above = lines[at - 1].strip()
    together = re.match(r"[a-z_]+:", above) and lines[at - 2].startswith("#")
    assert above.startswith("# ") or together, f"no comment above {name}"


@pytest.mark.parametrize("short", sorted(SHORT_NAMES))
def test_every_short_environment_name_is_told(short):
    key = SHORT_NAMES[short]
    text = FILE.read_text(encoding="utf-8")
    assert re.search(rf"Short name: {short}\n(?:#.*\n)*{key}:", text)
    assert f"`{short}`" in (ROOT / "docs/configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [*DOCUMENTS, FILE], ids=lambda path: path.name)
def test_documents_name_only_settings_that_exist(path):
    text = path.read_text(encoding="utf-8")
    environment = {environment_name(key) for key in KEYS} | NOT_SETTINGS
    dotted = set(re.findall(r"\b((?:limits|plugins)\.[a-z_.]*[a-z_])\b", text)) - {"limits.py", "plugins.egg"}
    sections = {key.rsplit(".", 1)[0] for key in KEYS}
    assert dotted <= {*KEYS, *sections}
    assert set(re.findall(r"\bFAISS_MEMORY_[A-Z_]*[A-Z]\b", text)) <= environment
