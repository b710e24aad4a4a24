"""A minute of the service in an empty home, with every command: nobody is asked, nothing is written elsewhere."""

from __future__ import annotations

import pytest

from tests.network.life import AFTERWARDS, COMMANDS, Life
from tests.network.tracing import Trace


@pytest.mark.faults
def test_nobody_is_asked_by_any_command_or_by_a_minute_of_the_service(tmp_path, tally):
    with Trace(tmp_path / "calls") as trace:
        life = Life(tmp_path, trace)
        life.lived(60, COMMANDS)
        for name, words in AFTERWARDS.items():
            life.run(name, words)
        assert life.said() == {}
    tally(
        "a minute in an empty home, traced, with every command",
        1,
        "nobody was asked, nothing written elsewhere",
    )
