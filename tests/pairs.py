"""Pairs of memories made by rule: what is meant is known without anybody's opinion."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

KINDS = ("identical", "paraphrase", "value changed", "negated", "other subject")

_SUBJECTS = """
invoice service; payment gateway; search cluster; mobile app; billing job; nightly export; image resizer; login page;
session store; audit log; message queue; customer portal; report generator; feature flag service; webhook dispatcher;
inventory sync; pricing engine; recommendation model; email sender; data warehouse; support desk; checkout form;
address validator; shipping tracker; loyalty program; chat widget; staging cluster; build runner; secrets vault;
metrics collector; map renderer; calendar import; voice assistant; fraud detector; translation tool; photo archive
"""
_VALUES = {
    "number": lambda draw: str(draw.randint(2, 9_000)),
    "version": lambda draw: f"{draw.randint(1, 20)}.{draw.randint(0, 30)}.{draw.randint(0, 9)}",
    "name": lambda draw: draw.choice(
        ["Postgres", "MySQL", "Redis", "Kafka", "MongoDB", "Cassandra", "SQLite"]
    ),
    "person": lambda draw: draw.choice(
        ["Alice", "Bob", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hugo"]
    ),
    "day": lambda draw: draw.choice(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]),
}
_SAID: Sequence[tuple[str, str, str, str]] = (
    ("number", "The {s} listens on port {v}", "Port {v} is what the {s} listens on",
     "The {s} does not listen on port {v}"),
    ("number", "Requests to the {s} time out after {v} seconds", "The {s} has a request timeout of {v} seconds",
     "Requests to the {s} never time out after {v} seconds"),
    ("version", "The {s} runs version {v} in production", "In production we run version {v} of the {s}",
     "The {s} does not run version {v} in production"),
    ("name", "The {s} keeps its data in {v}", "{v} is where the {s} keeps its data",
     "The {s} does not keep its data in {v}"),
    ("person", "{v} is responsible for the {s}", "The {s} is the responsibility of {v}",
     "{v} is not responsible for the {s}"),
    ("day", "The {s} is deployed every {v}", "We deploy the {s} on every {v}", "The {s} is never deployed on {v}"),
    ("number", "The {s} retries a failed call {v} times", "Failed calls of the {s} are retried {v} times",
     "The {s} doesn't retry a failed call {v} times"),
)  # fmt: skip


def made(count: int, seed: int = 1) -> Iterator[tuple[str, str, str]]:
    """Yield pairs, `count` of each kind: (kind, older text, newer text)."""
    subjects = [" ".join(subject.split()) for subject in _SUBJECTS.split(";")]
    draw = random.Random(seed)
    for number in range(count * len(KINDS)):
        kind = KINDS[number % len(KINDS)]
        of, plain, otherwise, negated = draw.choice(_SAID)
        subject, other = draw.sample(subjects, 2)
        value = _VALUES[of](draw)
        changed = value
        while changed == value:
            changed = _VALUES[of](draw)
        newer = {
            "identical": plain.format(s=subject, v=value),
            "paraphrase": otherwise.format(s=subject, v=value),
            "value changed": draw.choice([plain, otherwise]).format(s=subject, v=changed),
            "negated": negated.format(s=subject, v=value),
            "other subject": draw.choice([plain, otherwise]).format(s=other, v=value),
        }[kind]
        if kind == "identical" and draw.random() < 0.5:
            newer = f" {newer.replace(' ', '  ', 1)}"
        yield kind, plain.format(s=subject, v=value), newer
