"""Seeds and large matrices of cases, of which `make test` runs a sample and `make long` the rest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest


def matrix(*dimensions: Sequence[Any]) -> list[Any]:
    """Return every combination, for `parametrize`; so many run every time that each value does, the others are long."""
    most = max(map(len, dimensions))
    kept = {
        tuple((number // (place or 1)) % len(values) for place, values in enumerate(dimensions))
        for number in range(most)
    }
    for place, values in enumerate(dimensions):
        assert {chosen[place] for chosen in kept} == set(range(len(values))), "put the longest two first"
    return [
        pytest.param(*combined, marks=() if places in kept else pytest.mark.long)
        for places, combined in zip(
            product(*(range(len(values)) for values in dimensions)), product(*dimensions), strict=True
        )
    ]


def seeds(most: int) -> list[Any]:
    """Return the seeds of random runs, for `parametrize`; the first runs every time, the others are long."""
    return [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, most))]
