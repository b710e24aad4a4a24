"""Make a prepared model whole: `python -m faiss_memory.embedder.rebuild PREPARED LOCATION FOLDER`.

What is written into FOLDER is what compiling the model there would write, made by a recipe instead of by
sentence-transformers. Runs in a child process, which may ask the hub for the model's files. Ends with the status
ANOTHER_MODEL if the files at LOCATION are not those that the recipe is for.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import msgspec

from faiss_memory.embedder import hub
from faiss_memory.embedder.compiled import FACTS_FILE, TOKENIZER_FILE
from faiss_memory.embedder.model_source import describe
from faiss_memory.embedder.processes import child_main
from faiss_memory.embedder.recipe import Recipe, copy_graph, read_recipe, write_weights

ANOTHER_MODEL = 65
"""Exit status (EX_DATAERR): the recipe does not fit, so the model has to be compiled."""


def main(prepared: Path, location: str, folder: Path) -> None:
    """Write the compiled form of the model at a location into a folder, by the recipe in another."""
    recipe = read_recipe(prepared)
    model = _files(recipe, location)
    if not recipe.fits(describe(model)):
        sys.exit(ANOTHER_MODEL)
    copy_graph(recipe, prepared, folder)
    shutil.copyfile(model / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    write_weights(recipe, model, folder)
    shape = msgspec.structs.replace(recipe.shape, folder=str(model))
    (folder / FACTS_FILE).write_bytes(msgspec.json.encode(shape))


def _files(recipe: Recipe, location: str) -> Path:
    """Find the model's files on this machine, or fetch them."""
    if Path(location).is_dir():
        return Path(location)
    kept = hub.cached_snapshot(location)
    if kept is not None and all((kept / name).is_file() for name in recipe.source):
        return kept
    return hub.download(location, recipe.source)


if __name__ == "__main__":
    child_main(lambda: main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
