"""Compile a sentence-transformers model to ONNX: `python -m faiss_memory.embedder.compile LOCATION FOLDER`.

Runs in a child process, so that torch never enters the service. What it finds out goes to
FOLDER/compiled.json: once when the model is loaded, so that a failing export still leaves what the fallback
needs, and again when the ONNX model has been checked. A failure is an uncaught exception, whose last line is
the reason.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from faiss_memory.contracts.comparing import unit
from faiss_memory.embedder.compiled import FACTS_FILE, MODEL_FILE, TOKENIZER_FILE, WEIGHTS_FILE, Shape
from faiss_memory.embedder.model_metric import stated_metric
from faiss_memory.embedder.processes import child_main
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import DOT

# 17 has LayerNormalization as one operator; every onnxruntime since 1.12 knows it.
_OPSET = 17
_LEAST_COSINE = 0.9999
_MOST_LONGER = 0.01
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")

_PROBES = (
    "",
    "a",
    "  Where does the service keep its data?\n",
    "Ünïcödé, 東京の天気はどうですか, Привет мир, مرحبا, 🤖👍🏽 and a tab\there",
    "def add(a: int, b: int) -> int:\n    return a + b  # [SEP] </s> <mask>",
)


def main(location: str, folder: Path) -> None:
    """Compile the model at a location into a folder."""
    from faiss_memory.embedder import torch_model

    _need("onnx", "onnxruntime", "tokenizers")
    model = torch_model.load_model(location)
    shape = _describe(model, location)
    _report(folder, shape)
    if not torch_model.is_fast(model.tokenizer):
        raise EmbedderError("its tokenizer has no tokenizer.json")
    (folder / TOKENIZER_FILE).write_text(model.tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    shape = msgspec.structs.replace(shape, strips=_strips(model, folder))
    shape = msgspec.structs.replace(shape, inputs=_export(model, folder))
    check(model, folder, shape)
    _report(folder, shape)


def _need(*modules: str) -> None:
    """Fail on a missing library before anything is reported: that is no trait of the model."""
    for module in modules:
        importlib.import_module(module)


def _report(folder: Path, shape: Shape) -> None:
    (folder / FACTS_FILE).write_bytes(msgspec.json.encode(shape))


def _describe(model: Any, location: str) -> Shape:
    """Collect what serving needs to know about a loaded model."""
    from faiss_memory.embedder import hub, torch_model

    tokenizer = model.tokenizer
    max_tokens = torch_model.max_tokens_of(model)
    document_prompt = torch_model.prompt_of(model, queries=False)
    prompt_tokens = len(tokenizer.tokenize(document_prompt)) if document_prompt else 0
    folder = Path(location) if Path(location).is_dir() else hub.cached_snapshot(location)
    if folder is None:
        raise EmbedderError(f"{location} was loaded, but its files are not in the hub's cache")
    return Shape(
        dimension=torch_model.encode(model, ["a"], queries=True).shape[1],
        window=max(1, max_tokens - tokenizer.num_special_tokens_to_add() - prompt_tokens),
        max_tokens=max_tokens,
        query_prompt=torch_model.prompt_of(model, queries=True),
        document_prompt=document_prompt,
        strips=False,
        pad_id=tokenizer.pad_token_id or 0,
        pads_left=tokenizer.padding_side == "left",
        inputs=[],
        problem=None,
        folder=str(folder),
        unit=torch_model.gives_unit_vectors(model),
        metric=stated_metric(folder),
    )


def _strips(model: Any, folder: Path) -> bool:
    """Find out whether this version of sentence-transformers strips texts: older ones do."""
    from tokenizers import Tokenizer

    from faiss_memory.embedder import torch_model

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.no_padding()
    spaced = "  a word \n "
    theirs = torch_model.features_of(model, [spaced])["input_ids"][0].tolist()
    return bool(theirs != tokenizer.encode(spaced).ids and theirs == tokenizer.encode(spaced.strip()).ids)


def _export(model: Any, folder: Path) -> list[str]:
    """Write the whole model as ONNX, pooling and, if it has one, its normalising layer included.

    Returns the graph's inputs.
    """
    import onnx
    import torch

    from faiss_memory.embedder import torch_model

    # Of unequal lengths: with no padding to see, the attention mask would be traced away.
    features = torch_model.features_of(model, ["a first text", "a second text that is longer than the first"])
    names = [name for name in _INPUTS if name in features]

    class WholeModel(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            vectors = self.model(dict(zip(names, tensors, strict=True)))["sentence_embedding"]
            if model.truncate_dim is not None:
                vectors = vectors[:, : model.truncate_dim]
            return vectors

    traced = folder / "traced.onnx"
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    with torch.no_grad():
        torch.onnx.export(
            WholeModel().eval(),
            tuple(features[name] for name in names),
            str(traced),
            dynamo=False,
            opset_version=_OPSET,
            input_names=names,
            output_names=["vectors"],
            dynamic_axes={**axes, "vectors": {0: "batch"}},
        )
    graph = onnx.load(str(traced))
    # Weights in a file of their own are mapped into memory instead of copied: measured with all-MiniLM-L6-v2,
    # a fresh process takes 118 MB instead of 182 and starts 80 ms sooner.
    onnx.save_model(
        graph,
        str(folder / MODEL_FILE),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=WEIGHTS_FILE,
        size_threshold=1024,
    )
    traced.unlink()
    return [each.name for each in graph.graph.input]


def check(model: Any, folder: Path, shape: Shape) -> None:
    """Compare with sentence-transformers itself on awkward texts. Raises EmbedderError."""
    from faiss_memory.embedder import torch_model
    from faiss_memory.embedder.onnx_embedder import OnnxEmbedder

    # Windows of thousands of tokens would cost gigabytes here; a cut is checked where windows are ordinary.
    long = "longer than the window, and then some more words; " * (min(shape.max_tokens, 1024) // 4 + 8)
    probes = [*_PROBES, long]
    ours = OnnxEmbedder("probe", "probe", folder, shape, DOT)  # as the graph gives them
    for queries in (True, False):
        expected = torch_model.encode(model, probes, queries=queries)
        embed = ours.embed_queries if queries else ours.embed_documents
        together = embed(probes)
        alone = np.concatenate([embed([probe]) for probe in probes])
        for found in (together, alone):
            cosines = (unit(expected) * unit(found)).sum(axis=1)
            lengths = np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
            # Written so that NaN fails, too.
            if found.shape != expected.shape or not bool((cosines >= _LEAST_COSINE).all()):
                raise EmbedderError(f"its ONNX form differs: cosines {np.round(cosines, 4).tolist()}")
            if not bool((abs(lengths - 1) <= _MOST_LONGER).all()):
                raise EmbedderError(f"its ONNX form differs: lengths {np.round(lengths, 4).tolist()} to 1")


if __name__ == "__main__":
    child_main(lambda: main(sys.argv[1], Path(sys.argv[2])))
