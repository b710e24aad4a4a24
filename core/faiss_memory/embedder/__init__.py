"""Texts to vectors: a sentence-transformers model, compiled once to ONNX and served without torch.

open_embedder ─┬─ model_source   where the model is: a folder, an installed package, the hub
               ├─ compiled       the cache of compiled models
               │    ├─ rebuild   a child process: a prepared graph and the model's own weights, by a recipe
               │    └─ compile   a child process: sentence-transformers → ONNX, checked against it
               ├─ onnx_embedder  answers with the compiled model
               └─ child          answers with sentence-transformers in a child, where ONNX cannot
EmbeddingLanes                   the queues in front of any embedder: searches go first
"""

from faiss_memory.embedder.batcher import EmbeddingLanes
from faiss_memory.embedder.opening import open_embedder, reopen_embedder
from faiss_memory.embedder.packages import MissingPackages, missing_packages

__all__ = ["EmbeddingLanes", "MissingPackages", "missing_packages", "open_embedder", "reopen_embedder"]
