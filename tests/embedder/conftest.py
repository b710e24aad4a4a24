"""Small models made on the spot, the real one compiled once, and compiling without a child process."""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from faiss_memory.contracts.embedder import Embedder
from faiss_memory.embedder import open_embedder, opening

REAL = "all-MiniLM-L6-v2"
LINES = [
    "the quick brown fox jumps over the lazy dog",
    "Where does the service keep its data? In a folder, under your home.",
    "query: passage: search memories by meaning; añadir, Größe, 東京の天気",
    "numbers 0 1 2 3 4 5 6 7 8 9 and punctuation . , ; : ! ? ( ) [ ]",
]
TEXTS = [
    "the dog",
    "",
    "Where is Größe? 東京 🤖",
    "  spaced  out \n",
    "fox " * 100,
    "a",
    "search memories by meaning",
]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty hub cache of our own, with the network refused, before any library looks."""
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(folder))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
        yield folder


@pytest.fixture(scope="session")
def torch_here(hub: Path) -> None:
    """Import the reference into the tests' own process: once, instead of ten seconds a child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sentence_transformers  # noqa: F401, PLC0415


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the real model is compiled; TEST_MODEL_CACHE shares it between runs."""
    shared = os.environ.get("TEST_MODEL_CACHE")
    return Path(shared) if shared else tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def real(cache_dir: Path) -> Iterator[Embedder]:
    """The default model, compiled by a real child process."""
    embedder = open_embedder(REAL, cache_dir)
    yield embedder
    embedder.close()


@pytest.fixture
def compiles(torch_here: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compile in this process instead of a child; lists what was compiled. Recipes are followed in a child still."""
    from faiss_memory.embedder import compile as compiling  # noqa: PLC0415

    done: list[str] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "faiss_memory.embedder.rebuild" in command:
            return subprocess.run(command, **options)
        location, folder = command[-2:]
        done.append(location)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                compiling.main(location, Path(folder))
            except (OSError, ValueError, RuntimeError, opening.EmbedderError) as error:
                return subprocess.CompletedProcess(command, 1, "", f"Traceback\n{error}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(opening, "subprocess", SimpleNamespace(run=run, **_names(subprocess)))
    return done


def _names(module: Any) -> dict[str, Any]:
    return {name: getattr(module, name) for name in ("DEVNULL", "CompletedProcess")}


Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(torch_here: None) -> Build:
    """Write a small random model as a sentence-transformers folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch  # noqa: PLC0415
        import transformers  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from sentence_transformers.sentence_transformer import modules  # noqa: PLC0415

    def make(
        folder: Path,
        kind: str = "bert",
        pooling: str = "mean",
        normalize: bool = True,
        seed: int = 0,
        include_prompt: bool = True,
        **options: Any,
    ) -> Path:
        torch.manual_seed(seed)
        tokenizer = _wordpiece() if kind == "bert" else _bytepair()
        sizes = {
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "max_position_embeddings": 40,
            "pad_token_id": tokenizer.token_to_id("<pad>"),
            "initializer_range": 0.5,
        }
        config_class, model_class, extra = {
            "bert": (transformers.BertConfig, transformers.BertModel, {}),
            "mpnet": (transformers.MPNetConfig, transformers.MPNetModel, {}),
            "roberta": (transformers.RobertaConfig, transformers.RobertaModel, {"type_vocab_size": 1}),
        }[kind]
        plain = folder.with_name(folder.name + "-plain")
        inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if kind == "bert" else [])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model_class(config_class(**sizes, **extra)).save_pretrained(plain)
            transformers.PreTrainedTokenizerFast(
                tokenizer_object=tokenizer,
                model_input_names=inputs,
                model_max_length=24,
                **dict(pad_token="<pad>", cls_token="<s>", sep_token="</s>", unk_token="<unk>"),
            ).save_pretrained(plain)
            parts = [
                modules.Transformer(str(plain), max_seq_length=24),
                modules.Pooling(32, pooling_mode=pooling, include_prompt=include_prompt),
                *([modules.Normalize()] if normalize else []),
            ]
            SentenceTransformer(modules=parts, device="cpu", **options).save(str(folder))
        return folder

    return make


def _wordpiece() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers  # noqa: PLC0415

    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(special_tokens=["<pad>", "<unk>", "<s>", "</s>"], vocab_size=300)
    return _trained(tokenizer, trainer)


def _bytepair() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: PLC0415

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        special_tokens=[
            "<s>",
            "<pad>",
            "</s>",
            "<unk>",
        ],  # padding is 1, as in RoBERTa: positions start after it
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    return _trained(tokenizer, trainer)


def _trained(tokenizer: Any, trainer: Any) -> Any:
    from tokenizers import processors  # noqa: PLC0415

    tokenizer.train_from_iterator(LINES, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return tokenizer


@pytest.fixture(scope="session")
def reference(torch_here: None) -> Callable[[Path | str], Any]:
    """sentence-transformers itself: (queries, documents) → unit vectors."""

    def embed(location: Path | str, texts: list[str], *, queries: bool) -> np.ndarray[Any, Any]:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SentenceTransformer(str(location), device="cpu", local_files_only=True)
            encode = model.encode_query if queries else model.encode_document
            return np.asarray(encode(texts, normalize_embeddings=True, show_progress_bar=False))

    return embed
