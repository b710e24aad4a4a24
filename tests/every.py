"""One test over many files or messages: looking at each of thousands takes no time, but a test for each takes some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def every(
    values: Iterable[Any] | Callable[[], Iterable[Any]], name: Callable[[Any], object] = str
) -> Callable[[Callable[[Any], None]], Any]:
    """Make a test of a function that looks at one value: it is called with each, and all that are wrong are named.

    `values` may be what finds them, which is then asked in the test: every worker collects all tests.
    """

    def made(look: Callable[[Any], None]) -> Callable[[], None]:
        def test() -> None:
            looked_at = list(values() if callable(values) else values)
            assert looked_at
            wrong = []
            for value in looked_at:
                try:
                    look(value)
                except AssertionError as error:
                    wrong.append(f"{name(value)}: {error}")
            assert not wrong, "\n".join(wrong)

        test.__name__, test.__doc__ = look.__name__, look.__doc__
        return test

    return made
