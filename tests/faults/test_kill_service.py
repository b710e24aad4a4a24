"""kill -9 of the whole service under writers over HTTP."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.service import Client, Writer, check_service, send_again
from tests.running import RunningService
from tests.store.oracle import until


def killed_under_writers(service, journal, target, seed):
    """Let eight clients write, kill the service, and give the requests that may be sent again."""
    writers = [Writer(service.port, journal, worker, seed) for worker in range(8)]
    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(writer.write) for writer in writers]
        until(lambda: journal.done_count >= target or any(one.done() for one in writing), "enough is written")
        service.kill()
        return [one.result() for one in writing]


def check_repeated(client, acknowledged, before, requests):
    """What is sent again is stored once, whether or not it was stored before the kill."""
    for ids in send_again(client, requests):
        fresh = [memory_id for memory_id in ids if memory_id not in before]
        assert fresh in ([], ids)
        for memory_id in fresh:
            assert memory_id not in acknowledged.states, f"id {memory_id} was given twice"
            client.call("DELETE", f"/memory/{memory_id}")
        acknowledged.states |= {memory_id: [None] for memory_id in fresh}


@pytest.mark.parametrize(
    ("cycles", "seed"),
    [(2, "normal"), *(pytest.param(20, f"long {n}", marks=pytest.mark.faults) for n in range(10))],
)
def test_kills_of_the_service_under_eight_writers_lose_nothing_acknowledged(
    tmp_path, journal, acknowledged, tally, cycles, seed
):
    chance = random.Random(seed)
    with RunningService(tmp_path / "data", fake=True, **{"limits.k": "100000"}) as service:
        for cycle in range(cycles):
            target = journal.done_count + chance.randint(1, 120)
            again = killed_under_writers(service, journal, target, f"{seed} {cycle}")
            if chance.random() < 0.25:
                service.start(ready=False)  # and once more, while it is still starting
                service.kill()
            service.start()
            client = Client(service.port)
            before = set(check_service(client, acknowledged, journal))
            check_repeated(client, acknowledged, before, again)
            client.close()
    assert min(acknowledged.counts.values()) > cycles // 2, acknowledged.counts
    tally("kill -9 of the whole service under 8 clients", cycles)
