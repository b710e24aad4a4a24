"""README's pictures are made from a running service and its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.docs.documents import read
from tests.running import ROOT

pytestmark = pytest.mark.web


def test_readmes_pictures_are_made_from_the_real_thing(browser, model_cache, tmp_path):
    subprocess.run(
        [sys.executable, ROOT / "docs" / "make_pictures.py", tmp_path],
        env={**os.environ, "FAISS_MEMORY_CACHE_DIR": str(model_cache)},
        check=True,
        timeout=300,
    )
    assert {f"docs/{path.name}" for path in tmp_path.iterdir()} == set(
        re.findall(r"!\[.*?\]\((.*?)\)", read("README.md"))
    )
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "recalled.svg").read_text(encoding="utf-8")
    assert "client_max_body_size" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace(
        "https://www.textualize.io", ""
    )
