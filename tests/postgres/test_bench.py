"""The simulation of a large team runs, on a very small scale."""

from __future__ import annotations

import sys

import pytest

from bench import team


@pytest.mark.postgres
def test_a_team_is_simulated_and_what_it_takes_is_told(server, monkeypatch, capsys):
    monkeypatch.setattr(team, "PROJECTS", 3_000_000)
    monkeypatch.setattr(sys, "argv", ["team", "--scale", "1000000", "--to", server.database()])
    team.main()
    told = capsys.readouterr().out
    assert "100 memories of 384 dimensions in 3 projects of 55 to 18, 1 people" in told
    for row in ("| `memory` |", "| `passage` |", "| `words` |", "| all |", "| a project of 55 |"):
        assert row in told


def test_projects_have_sizes_as_words_are_frequent():
    sizes = team.sizes_of(200, 1_000_000)
    assert sum(sizes) == 1_000_000
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[99] * 90 < sizes[0] < sizes[99] * 110
