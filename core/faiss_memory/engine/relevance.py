"""How likely a memory helps with what was asked: one judgement, by which everything that shows memories goes.

A cosine is a property of the model and says little by itself: "What did we decide about API calls?" has .40 with the note
that answers it, and "run the tests" .45 with one that does not. So meaning and words are weighed together, against how
general the question is and how many memories there are that could be near by accident, as a logistic regression over
prompts and notes that people would write (`python -m bench.relevance` makes it again; docs/ranking.md shows its curve).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from faiss_memory.analyzer import analyze, analyze_query
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.memory import SearchResult
