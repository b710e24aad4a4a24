"""A folder to build from, and the calls that build it, on the stand-in embedder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from falcon.testing import Result

from faiss_memory import Embedder, hookimpl
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.service.memories import MemoryService
from tests.fakes import FakeEmbedder


class CountingModel:
    """The plugin that brings a stand-in embedder and keeps every text that it embeds."""

    def __init__(self) -> None:
        self.embedded: list[str] = []

    @hookimpl(tryfirst=True)
    def open_embedder(self) -> Embedder:
        kept = self.embedded

        class Counting(FakeEmbedder):
            def embed_documents(self, texts: Sequence[str]) -> Vectors:
                kept.extend(texts)
                return self.embed_queries(texts)

        return Counting()


class Shelf:
    """A folder of notes, and a service that may read it."""

    def __init__(self, folder: Path, client: Any, model: CountingModel) -> None:
        self.folder, self.client, self.model = folder, client, model

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def ask(self, *sources: object, **request: Any) -> Result:
        """Build from these sources, or from the whole folder."""
        given = [str(source) for source in sources or (self.folder,)]
        return self.client.post("/index/build", {"sources": given, **request})

    def build(self, *sources: object, **request: Any) -> dict[str, Any]:
        """Build, and give the answer of a build that went well."""
        result = self.ask(*sources, **request)
        assert result.status_code in (200, 202), result.text
        return result.json

    def memories(self, project: str = "default") -> list[dict[str, Any]]:
        found = self.client.get(
            "/memories", params={"project": project, "limit": 1000, "order": "oldest"}
        ).json
        return found["memories"]

    def texts(self) -> list[str]:
        return [memory["text"] for memory in self.memories()]

    def sources(self) -> list[str]:
        """Where the memories come from, below the folder."""
        return sorted(memory["source"].removeprefix(f"{self.folder}/") for memory in self.memories())


def outcomes(answer: dict[str, Any], folder: Path) -> dict[str, str]:
    """What became of each file, by its path below a folder."""
    return {file["file"].removeprefix(f"{folder}/"): file["outcome"] for file in answer["files"]}


def reasons(answer: dict[str, Any]) -> dict[str, str]:
    """Why files were skipped, by name."""
    return {Path(file["file"]).name: file["reason"] for file in answer["files"] if "reason" in file}


@pytest.fixture
def make_shelf(
    tmp_path: Path, make_service: Callable[..., MemoryService], client_of: Callable[..., Any]
) -> Callable[..., Shelf]:
    def make(*plugins: object, **settings: Any) -> Shelf:
        folder = tmp_path / "notes"
        folder.mkdir(exist_ok=True)
        model = CountingModel()
        given = {"plugins.ingest.roots": [str(tmp_path)], **settings}
        return Shelf(folder, client_of(make_service(model, *plugins, **given)), model)

    return make


@pytest.fixture
def shelf(make_shelf: Callable[..., Shelf]) -> Shelf:
    """An empty folder and a service with the default settings that may read it."""
    return make_shelf()
