"""How vectors are compared in SQL, by the metric of their model; the words are the same as in the embedded store."""

from __future__ import annotations

from typing import NamedTuple

from faiss_memory import COSINE, DOT, EUCLIDEAN, Metric, metric_in


class Model(NamedTuple):
    """A model by its number, and the metric by which its vectors are compared."""

    number: int
    metric: Metric

    @classmethod
    def named(cls, number: int, identity: str) -> Model:
        """Return a model whose identity, as the database has it, names its metric."""
        return cls(number, metric_in(identity)[1])


OPERATOR = {COSINE: "<#>", DOT: "<#>", EUCLIDEAN: "<->"}
"""What orders by nearness, nearest first; unit vectors have the order of their inner products."""
INDEX_CLASS = {COSINE: "halfvec_ip_ops", DOT: "halfvec_ip_ops", EUCLIDEAN: "halfvec_l2_ops"}


def similarity(metric: Metric, one: str, other: str) -> str:
    """Write the similarity of two vectors by a metric; see `faiss_memory.similarities`."""
    if metric == EUCLIDEAN:
        return f"(1 / (1 + ({one} <-> {other})))"
    return cosine(metric, one, other) if metric == COSINE else f"(-({one} <#> {other}))"


def cosine(metric: Metric, one: str, other: str) -> str:
    """Write the cosine of two vectors; those of a model that compares by it have length 1."""
    found = (
        f"-({one} <#> {other})"
        if metric == COSINE
        else f"coalesce(nullif(1 - ({one} <=> {other}), 'NaN'), 0)"
    )
    # (Rounded: the last digits hang on where in memory a vector lies, and among equals ids decide.)
    return f"(round(({found}) * 1e6::float8) / 1e6::float8)"
