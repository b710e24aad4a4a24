"""The model hub: what of it is on this machine already, and fetching the rest. Runs in child processes only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from faiss_memory import settings
from faiss_memory.embedder.model_source import HUB_ORGANISATION


def cached_snapshot(location: str) -> Path | None:
    """Find the folder of an already downloaded hub model; None if sentence-transformers never fetched it.

    A model fetched by transformers alone lacks modules.json, and loading that would silently invent a
    pooling: only a snapshot that knows whether there is one counts.
    """
    from huggingface_hub import try_to_load_from_cache

    names = [location] if "/" in location else [HUB_ORGANISATION + location, location]
    for name in names:
        config = try_to_load_from_cache(name, "config.json", cache_dir=settings.hub_cache_folder())
        modules = try_to_load_from_cache(name, "modules.json", cache_dir=settings.hub_cache_folder())
        if modules is not None:
            known = modules if isinstance(modules, str) else config
            if isinstance(known, str):
                return Path(known).parent
    return None


def download(location: str, names: Iterable[str]) -> Path:
    """Fetch files of a model and return their folder; what is here already is not fetched again.

    Raises whatever huggingface_hub raises: it ends the child, and its last line is the reason.
    """
    from huggingface_hub import hf_hub_download

    repository = location if "/" in location else HUB_ORGANISATION + location
    cache = settings.hub_cache_folder()
    found = {name: hf_hub_download(repository, name, cache_dir=cache) for name in names}
    name, path = min(found.items(), key=lambda each: each[0].count("/"))
    return Path(path).parents[name.count("/")]
