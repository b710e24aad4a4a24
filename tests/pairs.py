"""Pairs of memories made by rule: what is meant is known without anybody's opinion."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

KINDS = ("identical", "paraphrase", "value changed", "negated", "other subject")

_SUBJECTS = """
invoice service; payment gateway; search cluster; mobile app; billing job; nightly export; image resizer; login page;
session store; audit log; message queue; customer portal; report generator; feature flag service; webhook dispatcher;
inventory sync; pricing engine; recommendation model; email sender; data warehouse; support desk; checkout form;
address validator; shipping tracker; loyalty program; chat widget; staging cluster; build runner; secrets vault;
metrics collector; map renderer; calendar import; voice assistant; fraud detector; translation tool; photo archive
"""
_MONTHS = "January February March April May June July August September October November December"
_ONES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def _words(number: int) -> str:
    ones = _ONES.split()
    if number < 20:
        return ones[number]
    return _TENS.split()[number // 10 - 2] + (f"-{ones[number % 10]}" if number % 10 else "")


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _one_of(names: str) -> Callable[[random.Random], str]:
    return lambda draw: draw.choice(names.split())


_VALUES: Mapping[str, Callable[[random.Random], Any]] = {
    "number": lambda draw: str(draw.randint(2, 9_000)),
    "small": lambda draw: draw.randint(2, 99),
    "share": lambda draw: draw.randint(2, 99),
    "version": lambda draw: f"{draw.randint(1, 20)}.{draw.randint(0, 30)}.{draw.randint(0, 9)}",
    "date": lambda draw: (draw.randint(2024, 2027), draw.randint(1, 12), draw.randint(1, 28)),
    "time": lambda draw: (draw.randint(1, 11), draw.choice(("am", "pm"))),
    "size": lambda draw: (draw.choice((1, 2, 4, 8, 16, 32, 64)), draw.choice(("KB", "MB", "GB", "TB"))),
    "name": _one_of("Postgres MySQL Redis Kafka MongoDB Cassandra SQLite DynamoDB etcd RabbitMQ"),
    "person": _one_of("Alice Bob Carla Dmitri Elena Farid Grace Hugo Priya Yusuf"),
    "day": _one_of("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "flag": _one_of("--fast --dry-run --no-cache --strict --verbose --force --watch"),
    "path": _one_of(
        "/etc/app/main.yaml /etc/app/base.yaml /srv/jobs/main.yaml /opt/conf/run.toml /var/app/run.toml"
    ),
    "region": _one_of("eu-west-1 eu-west-2 us-east-1 us-east-2 ap-south-1"),
    "stage": _one_of("staging production development"),
    "tool": _one_of("pnpm npm yarn bun"),
    "place": _one_of("Berlin Paris Lisbon Oslo Vienna"),
    "language": _one_of("Python Go Rust Java Kotlin Elixir"),
}
_WRITTEN: Mapping[str, Sequence[Callable[[Any], str]]] = {
    "small": (str, _words),
    "share": ("{}%".format, "{} %".format, "{} percent".format),
    "date": (
        lambda date: "{}-{:02}-{:02}".format(*date),
        lambda date: f"{date[2]} {_MONTHS.split()[date[1] - 1]} {date[0]}",
        lambda date: f"{_MONTHS.split()[date[1] - 1]} {date[2]}, {date[0]}",
        lambda date: f"{_MONTHS.split()[date[1] - 1][:3]} {date[2]}, {date[0]}",
        lambda date: f"the {_ordinal(date[2])} of {_MONTHS.split()[date[1] - 1]} {date[0]}",
    ),
    "time": (
        lambda time: "{} {}".format(*time),
        lambda time: "{}{}".format(*time),
        lambda time: f"{time[0] + 12 * (time[1] == 'pm'):02}:00",
    ),
    "size": (lambda size: "{} {}".format(*size), lambda size: "{}{}".format(*size)),
}
"""Ways to write one value; the others are written in one way."""


class _Said(NamedTuple):
    """One thing that can be said of a subject `s` and a value `v`."""

    of: str
    plain: str
    otherwise: Sequence[str]
    negated: Sequence[str]


_SAID = [
    _Said(of, plain, otherwise.split("; "), negated.split("; "))
    for of, plain, otherwise, negated in (
        ("number", "The {s} listens on port {v}", "Port {v} is what the {s} listens on; The port of the {s} is {v}",
         "The {s} does not listen on port {v}; The {s} no longer listens on port {v}; "
         "The {s} must not listen on port {v}; The {s} has stopped listening on port {v}"),
        ("number", "Feature {v} of the {s} is enabled", "Feature {v} is enabled in the {s}; "
         "The {s} has feature {v} enabled",
         "Feature {v} of the {s} is disabled; Feature {v} of the {s} is not enabled; Feature {v} of the {s} is off; "
         "Feature {v} of the {s} isn't enabled any more"),
        ("small", "Requests to the {s} time out after {v} seconds", "The {s} has a request timeout of {v} seconds",
         "Requests to the {s} never time out after {v} seconds"),
        ("small", "The {s} retries a failed call {v} times", "Failed calls of the {s} are retried {v} times",
         "The {s} doesn't retry a failed call {v} times; Retrying {v} times is disabled in the {s}"),
        ("share", "The {s} alerts at {v} of disk usage", "At {v} of disk usage the {s} alerts",
         "The {s} won't alert at {v} of disk usage; Alerting at {v} of disk usage is disabled in the {s}"),
        ("version", "The {s} runs version {v} in production", "In production we run version {v} of the {s}",
         "The {s} does not run version {v} in production; The {s} no longer runs version {v} in production"),
        ("date", "The certificate of the {s} expires on {v}", "On {v} the certificate of the {s} expires; "
         "The {s} has a certificate that expires on {v}",
         "The certificate of the {s} does not expire on {v}; The certificate of the {s} never expires on {v}"),
        ("date", "The {s} was released on {v}", "We released the {s} on {v}; The release of the {s} was on {v}",
         "The {s} wasn't released on {v}"),
        ("time", "The backup of the {s} starts at {v}", "At {v} the backup of the {s} starts",
         "The backup of the {s} no longer starts at {v}; The backup of the {s} must not start at {v}"),
        ("size", "The {s} has a memory limit of {v}", "The memory limit of the {s} is {v}; "
         "The memory of the {s} is limited to {v}",
         "The {s} has no memory limit of {v}; The {s} does not have a memory limit of {v}"),
        ("name", "The {s} keeps its data in {v}", "{v} is where the {s} keeps its data; "
         "The data of the {s} is kept in {v}",
         "The {s} does not keep its data in {v}; The {s} must not keep its data in {v}; "
         "The {s} used to keep its data in {v}; The {s} formerly kept its data in {v}; "
         "The {s} has ceased to keep its data in {v}"),
        ("person", "{v} is responsible for the {s}", "The {s} is the responsibility of {v}; "
         "Responsible for the {s} is {v}",
         "{v} is not responsible for the {s}; {v} is no longer responsible for the {s}; "
         "{v} used to be responsible for the {s}"),
        ("person", "Ask {v} before you change the {s}", "Before you change the {s}, ask {v}",
         "Do not ask {v} before you change the {s}; There is no need to ask {v} before you change the {s}"),
        ("day", "The {s} is deployed every {v}", "We deploy the {s} on every {v}",
         "The {s} is never deployed on {v}; The {s} must not be deployed on {v}; "
         "Deploying the {s} is forbidden on {v}"),
        ("flag", "Start the {s} with {v}", "The {s} is started with {v}; Use {v} to start the {s}",
         "Start the {s} without {v}; The {s} must not be started with {v}; Avoid starting the {s} with {v}"),
        ("path", "The {s} reads its settings from {v}", "Settings of the {s} are read from {v}",
         "The {s} no longer reads its settings from {v}; The {s} ignores the settings in {v}"),
        ("region", "The {s} is hosted in {v}", "We host the {s} in {v}",
         "The {s} is no longer hosted in {v}; The {s} is not hosted in {v}"),
        ("stage", "The {s} runs in {v}", "In {v} we run the {s}",
         "The {s} cannot run in {v}; The {s} is disabled in {v}"),
        ("tool", "Install the {s} with {v}", "Use {v} to install the {s}; The {s} is installed with {v}",
         "Never install the {s} with {v}; Stop installing the {s} with {v}"),
        ("place", "The {s} team sits in {v}", "The team of the {s} is in {v}; {v} is where the {s} team sits",
         "The {s} team no longer sits in {v}"),
        ("language", "The {s} is written in {v}", "We write the {s} in {v}; {v} is the language of the {s}",
         "The {s} isn't written in {v}"),
    )
]  # fmt: skip


def made(count: int, seed: int = 1) -> Iterator[tuple[str, str, str]]:
    """Yield pairs, `count` of each kind: (kind, older text, newer text)."""
    subjects = [" ".join(subject.split()) for subject in _SUBJECTS.split(";")]
    draw = random.Random(seed)
    for number in range(count * len(KINDS)):
        kind = KINDS[number % len(KINDS)]
        said = draw.choice(_SAID)
        subject, other = draw.sample(subjects, 2)
        value = _VALUES[said.of](draw)
        changed = value
        while changed == value:
            changed = _VALUES[said.of](draw)
        written = _WRITTEN.get(said.of, (str,))
        first, again = draw.choice(written), draw.choice(written)
        older = said.plain.format(s=subject, v=first(value))
        any_form = draw.choice([said.plain, *said.otherwise])
        newer = {
            "identical": draw.choice([older, f" {older.replace(' ', '  ', 1)}"]),
            "paraphrase": draw.choice(said.otherwise).format(s=subject, v=again(value)),
            "value changed": any_form.format(s=subject, v=again(changed)),
            "negated": draw.choice(said.negated).format(s=subject, v=first(value)),
            "other subject": any_form.format(s=other, v=again(value)),
        }[kind]
        if kind in ("value changed", "negated") and draw.random() < 0.3:
            older, newer = newer, older
        yield kind, older, newer
