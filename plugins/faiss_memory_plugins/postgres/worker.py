"""What runs beside the calls: following what other services write, and ringing for them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from threading import Event

import psycopg

from faiss_memory import BackgroundThread, MemoryServiceError, News, Problems
from faiss_memory_plugins.postgres import feed
from faiss_memory_plugins.postgres.database import Database, Transaction
from faiss_memory_plugins.postgres.errors import in_our_words

PATIENCE = 1.0
"""Seconds between two looks where nobody rings."""
PAUSE = 0.02
"""Seconds between two rings: what is written meanwhile is told with one."""
TOLD_AT_ONCE = 1000
BETWEEN_LOOKS = 300.0
"""Seconds between two looks at the sizes of projects."""
PART, INDEXES = "changes of other services", "indexes of large projects"

log = logging.getLogger("faiss_memory.postgres")


class Bell:
    """Tells other services that there is something new, after it was committed.

    Not in the transaction that writes: notifying holds up every other commit of the database.
    """

    def __init__(
        self, database: Database, channel: str, beside: Callable[[], None], problems: Problems
    ) -> None:
        """`beside` is called now and then, for what else is to be written."""
        self._database = database
        self._channel = channel
        self._beside = beside
        self._wanted, self._closing = Event(), False
        self._thread = BackgroundThread("bell", self._work, lambda error: problems.note(PART, error))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ring(self) -> None:
        """Have it rung, soon."""
        self._wanted.set()

    def close(self) -> None:
        """End; what was to be rung is."""
        self._closing = True
        self._wanted.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing:
            rings = self._wanted.wait(PATIENCE)
            self._wanted.clear()
            try:
                if rings:
                    self._database.write(
                        lambda run: run.run("select pg_notify(%(channel)s, '')", {"channel": self._channel})
                    )
                self._beside()
                self._database.forget_commits()
            except MemoryServiceError as error:
                log.warning("other services could not be told at once: %s", error)
            if rings and not self._closing:
                Event().wait(PAUSE)


class IndexKeeper:
    """Looks now and then whether a project has become so large that it needs an index, or is so no more."""

    def __init__(self, tend: Callable[[], object], problems: Problems) -> None:
        self._tend = tend
        self._problems = problems
        self._closing = Event()
        self._thread = BackgroundThread(
            "index keeper", self._work, lambda error: problems.note(INDEXES, error)
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is being built is finished by the database itself."""
        self._closing.set()

    def _work(self) -> None:
        while not self._closing.wait(BETWEEN_LOOKS):
            try:
                self._tend()
            except psycopg.Error as error:
                log.warning(
                    "the indexes of large projects could not be looked after: %s", type(error).__name__
                )
                self._problems.note(INDEXES, in_our_words(error))
            else:
                self._problems.settle(INDEXES)


class Follower:
    """Tells what other services have written, in order of commit and each once, as long as this one runs."""

    def __init__(
        self,
        database: Database,
        service: uuid.UUID,
        channel: str,
        tell: Callable[[News], None],
        look: Callable[[], None],
        problems: Problems,
    ) -> None:
        """`look` is called with each new connection: another server may have taken the place of the one before."""
        self._look = look
        self._database = database
        self._service = service
        self._channel = channel
        self._tell = tell
        self._problems = problems
        self._closing = False
        self._place = self._database.read(lambda run: feed.of_others(run, service, "", 0, 1))
        self._thread = BackgroundThread("follower", self._work, lambda error: problems.note(PART, error))
        self._thread.start()

    def end(self) -> None:
        """Have it end: when the bell rings, or in a moment."""
        self._closing = True

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _work(self) -> None:
        while not self._closing:
            try:
                self._listen()
            except (psycopg.Error, MemoryServiceError) as error:
                # The database tells of itself that it cannot be reached; this goes on when it can.
                log.info("changes of other services are not heard of at present: %s", type(error).__name__)
                Event().wait(PATIENCE)

    def _listen(self) -> None:
        with self._database.alone() as connection:
            connection.execute(f'listen "{self._channel}"')
            self._look()
            while not self._closing:
                self._catch_up()
                for _ in connection.notifies(timeout=PATIENCE, stop_after=1):
                    pass

    def _read(self, run: Transaction) -> feed.Step:
        return feed.of_others(run, self._service, self._place.line, self._place.position, TOLD_AT_ONCE)

    def _catch_up(self) -> None:
        more = True
        while more and not self._closing:
            news = self._database.read(self._read)
            self._place = news
            more = len(news.added) + len(news.changed) + len(news.removed) >= TOLD_AT_ONCE
            told = News(news.added, news.changed, news.removed)
            if told.added or told.changed or told.removed:
                self._tell(told)
