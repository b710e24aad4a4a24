"""The constants by logistic regression over prompts and notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.relevance.evidence import Asked, Candidate
from faiss_memory.engine.relevance import WEIGHTS, Weights, is_generic, weighed

ROUNDS = 5
STEPS = 30
RIDGE = 1.0
"""Keeps a constant small that the sets say little about."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A prompt and a memory: what is weighed, one row for each wording, and whether the memory helps."""

    values: Numbers
    helps: bool


def fit(asked: Iterable[Asked]) -> Weights:
    """Return the weights that tell best which memories help.

    Of several wordings the best counts, and which that is depends on the weights: so it is chosen and fitted in turns.
    Variants of other prompts are left out, and notes that are outdated: they are about the right thing, and yet wrong.
    """
    pairs = [pair for one in asked if not one.prompt.variant_of for pair in _pairs(one)]
    helps = np.array([pair.helps for pair in pairs], np.float64)
    weights = np.array(WEIGHTS)
    for _ in range(ROUNDS):
        best = np.array([pair.values[np.argmax(pair.values @ weights)] for pair in pairs])
        weights = _logistic(best, helps)
    return Weights(*weights.tolist())


def _pairs(asked: Asked) -> Iterable[_Pair]:
    found: dict[int, list[Candidate]] = {}
    for one in asked.candidates:
        # (What is as generic as that is never relevant, whatever the weights are.)
        if not is_generic(one.evidence.generic, one.evidence.similarity) and one.note not in asked.outdated:
            found.setdefault(one.found.id, []).append(one)
    for some in found.values():
        yield _Pair(np.array([weighed(one.evidence) for one in some]), some[0].note in asked.prompt.gold)


def _logistic(values: Numbers, helps: Numbers) -> Numbers:
    """Fit by Newton's method; the last value is the constant, which is not held small."""
    weights = np.zeros(values.shape[1])
    ridge = np.diag([RIDGE] * (len(weights) - 1) + [0.0])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))
        curvature = (values.T * (chance * (1 - chance))) @ values + ridge + 1e-9 * np.eye(len(weights))
        step = np.linalg.solve(curvature, values.T @ (helps - chance) - ridge @ weights)
        weights += step
        if np.abs(step).max() < 1e-6:
            break
    return weights
