"""`/metrics`: how the service is, in Prometheus' text form. For the owner alone, as its figures tell of everybody."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from threading import Lock

import falcon

from faiss_memory.contracts.http import Page, Route
from faiss_memory.service.memories import MemoryService

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, the upper ends of what answers are sorted into."""
NOWHERE = "(none)"
"""What a path that nothing answers at is counted under: paths are made up, and would fill the memory."""
ANY = "ANY"
"""What methods that are made up are counted under."""
Sample = tuple[str, dict[str, str], float]


class Requests:
    """Falcon middleware: counts what was answered, by call and status, and how long it took. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: Counter[tuple[str, str]] = Counter()

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Note when it began."""
        request.context.measured_from = time.perf_counter()

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Count it."""
        path = request.uri_template or NOWHERE
        method = request.method if path != NOWHERE and request.method in falcon.HTTP_METHODS else ANY
        took = time.perf_counter() - getattr(request.context, "measured_from", time.perf_counter())
        place = next((place for place, end in enumerate(BUCKETS) if took <= end), len(BUCKETS))
        with self._lock:
            self._counts[method, path, response.status_code] += 1
            self._buckets[method, path][place] += 1
            self._seconds[method, path] += took  # type: ignore[assignment]

    def samples(self) -> tuple[list[Sample], list[Sample]]:
        """Return the counts, and the parts of the histograms."""
        with self._lock:
            counts, seconds = dict(self._counts), dict(self._seconds)
            buckets = {call: list(some) for call, some in self._buckets.items()}
        counted: list[Sample] = [
            ("", {"method": method, "path": path, "status": str(status)}, count)
            for (method, path, status), count in sorted(counts.items())
        ]
        measured: list[Sample] = []
        for (method, path), some in sorted(buckets.items()):
            labels, total = {"method": method, "path": path}, 0
            for end, count in zip((*map(str, BUCKETS), "+Inf"), some, strict=True):
                total += count
                measured.append(("_bucket", {**labels, "le": end}, total))
            measured += [("_sum", labels, seconds[method, path]), ("_count", labels, total)]
        return counted, measured


def metrics_route(service: MemoryService, requests: Requests) -> Route:
    """Return the call."""
    started = time.time()

    def answer() -> Page:
        return Page("".join(_written(service, requests, started)).encode(), CONTENT_TYPE)

    return Route(
        method="GET", path="/metrics", summary="Tell how the service is, in Prometheus' text form",
        group="Overview", handler=answer,
    )  # fmt: skip


def _written(service: MemoryService, requests: Requests, started: float) -> Iterator[str]:
    engine = service.engine
    opened = engine.store_opened and engine.store_error is None and engine.busy() is None
    counted, measured = requests.samples()
    yield from _family("info", "gauge", "What runs.", [("", {"version": service.version}, 1)])
    yield from _gauge("start_time_seconds", "When it started, in seconds since 1970.", started)
    yield from _gauge(
        "store_ready", "Whether the records can be read and written.", opened and engine.write_error is None
    )
    yield from _gauge("model_ready", "Whether search by meaning answers.", engine.model_ready)
    yield from _gauge("problems", "Things that are wrong, as /health names them.", len(engine.problems.all()))
    if opened:
        projects = engine.store.projects()
        yield from _gauge("memories", "Memories, superseded ones too.", sum(one.memories for one in projects))
        yield from _gauge("projects", "Projects.", len(projects))
        yield from _gauge(
            "index_bytes", "What the indexes take.", sum(engine.store.stats().index_size_bytes.values())
        )
        yield from _gauge("rebuilding", "Derived files that are being rebuilt.", len(engine.rebuilding()))
    yield from _family("requests_total", "counter", "Requests answered.", counted)
    yield from _family("request_seconds", "histogram", "How long they took, without sending files.", measured)


def _gauge(name: str, told: str, value: float) -> Iterator[str]:
    return _family(name, "gauge", told, [("", {}, float(value))])


def _family(name: str, kind: str, told: str, samples: Iterable[Sample]) -> Iterator[str]:
    full = f"faiss_memory_{name}"
    yield f"# HELP {full} {told}\n# TYPE {full} {kind}\n"
    for suffix, labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{full}{suffix}{f'{{{inside}}}' if inside else ''} {value:.10g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
