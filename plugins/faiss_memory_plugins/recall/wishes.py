"""What a person wishes of one memory: to see it always, or never for prompts like this."""

from __future__ import annotations

from faiss_memory import InvalidRequest, PatchRequest, Rights, Service, masked
from faiss_memory_plugins.recall.choosing import PINNED
from faiss_memory_plugins.recall.finding import NOT_FOR, phrase_of, phrases_of
from faiss_memory_plugins.recall.messages import NeverAnswer, NeverRequest, PinAnswer, PinRequest
from faiss_memory_plugins.recall.prompt_parts import prompt_parts, why_nothing

MOST_PHRASES = 8
"""Prompts that a memory is not for; with one more the oldest goes."""


def pin(service: Service, request: PinRequest, rights: Rights) -> PinAnswer:
    """Set the tag of what is shown at every start, or take it away. Raises MemoryNotFound."""
    had = service.get(request.id, rights).tags
    tags = [*(tag for tag in had if tag != PINNED), *([PINNED] if request.pinned else [])]
    if sorted(tags) != sorted(had):
        service.patch(request.id, PatchRequest(tags=tags), rights)
    return PinAnswer(id=request.id, pinned=request.pinned, tags=tags)


def never(service: Service, request: NeverRequest, rights: Rights) -> NeverAnswer:
    """Keep a prompt that a memory is not for, or forget it. Raises MemoryNotFound, and InvalidRequest for no prompt."""
    memory = service.get(request.id, rights)
    phrase = phrase_of(prompt_parts(masked(request.prompt, service.settings.own_tokens)))
    if not phrase:
        raise InvalidRequest(f"`prompt` asks nothing: {why_nothing(request.prompt)}", "prompt")
    had = phrases_of(memory.metadata)
    phrases = [one for one in had if one != phrase] if request.forget else list(dict.fromkeys([*had, phrase]))
    phrases = phrases[-MOST_PHRASES:]
    if phrases != had:
        rest = {key: value for key, value in memory.metadata.items() if key != NOT_FOR}
        kept = {NOT_FOR: phrases} if phrases else {}
        service.patch(request.id, PatchRequest(metadata={**rest, **kept}), rights)
    return NeverAnswer(id=request.id, not_for=phrases)
