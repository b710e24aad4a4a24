"""Whether a command that an assistant has run has failed, and what it said then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 8_000
"""Characters of what a command said that are read, the last ones."""
_LAST = 5
"""Lines, the last ones, that say how it ended."""
_CODE = re.compile(r"\bexit(?:ed)?(?: with)?(?: code)?:? (-?\d+)\b", re.IGNORECASE)
_FAILED = re.compile(
    r"\s*(?:[\w.]*(?:Error|Exception)\b|(?:error|fatal|panic)\b[^:]{0,40}:|\S.*: (?:command not found|no such file"
    r"|permission denied))",
    re.IGNORECASE,
)
_FRAME = re.compile(
    r"(?:Command|Directory|Signal|Process Group PGID): .*|[\w ]{1,30}: \(none\)|</?untrusted_context>"
)
"""What assistants put around what a command said."""
_TEXTS = ("error", "stderr", "stdout", "output", "llmContent", "text_result_for_llm")


def failure_of(error: Any, answer: Any) -> str:
    """Return what a command said that has failed; an empty text if it has not, or has said nothing.

    `error` is what the assistant says went wrong, if it does; `answer` what the tool has answered: a text, or an object
    with some of the fields that assistants use. Where neither says how it ended, its last lines do.
    """
    said = _text(error)[-LONGEST:] or _said(answer)
    lines = said.strip().splitlines()
    if not _text(error) and not _has_failed(answer, lines[-_LAST:]):
        return ""
    said = "\n".join(line for line in lines if not (_CODE.search(line) or _FRAME.fullmatch(line)))
    return said.strip().removeprefix("Output: ")


def _has_failed(answer: Any, last: list[str]) -> bool:
    codes = [int(code) for line in last for code in _CODE.findall(line)]
    if isinstance(answer, Mapping):
        codes += [answer[name] for name in ("exit_code", "exitCode") if isinstance(answer.get(name), int)]
    return codes[-1] != 0 if codes else any(map(_FAILED.match, last))


def _said(answer: Any) -> str:
    if isinstance(answer, Mapping):
        answer = "\n".join(filter(None, (_text(answer.get(name)) for name in _TEXTS)))
    return _text(answer)[-LONGEST:]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
