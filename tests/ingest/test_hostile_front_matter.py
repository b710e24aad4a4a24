"""Front matter that was made to stop a build, by what the reader of YAML comes upon or by how long it takes."""

from __future__ import annotations

import time

import pytest

from tests.importing.test_bad_files import ODD_YAML

SLOW = "x:\n" + "".join(f"  k{number}: {'[' * 1400}\n" for number in range(20))


@pytest.mark.parametrize("front", [*ODD_YAML, SLOW], ids=range(len(ODD_YAML) + 1))
def test_no_front_matter_stops_a_build_or_keeps_back_what_else_there_is(shelf, front):
    shelf.write("odd.md", f"---\n{front}\n---\n\nThe odd one says something.\n")
    shelf.write("plain.md", "The plain one says something.\n")
    began = time.process_time()
    shelf.build()
    assert time.process_time() - began < 20
    texts = "\n".join(shelf.texts())
    assert "The odd one says something." in texts
    assert "The plain one says something." in texts
