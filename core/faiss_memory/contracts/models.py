"""What a store keeps of the models that embed its memories."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.memory import Memory


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model whose vectors a store holds."""

    identity: str
    name: str
    dimension: int


class Models(ABC):
    """The state of the models, which is the store's and not a process's: which is in use, and what each has embedded.

    Several processes may embed what is lacking; a vector that is there already is left as it is. A search names the
    model of its vector, so that vectors of two models are never compared, whichever is in use by then.
    """

    @abstractmethod
    def use_model(self, identity: str, name: str, dimension: int) -> None:
        """Put this model in use: answer with its vectors from now on, and with those of no other."""

    @abstractmethod
    def prepare_model(self, identity: str, name: str, dimension: int) -> None:
        """Be ready to answer with this model's vectors too, for those who name it, until another is put in use.

        Returns when those that are there are loaded; may take long.
        """

    @abstractmethod
    def keep_models(self, identities: Collection[str]) -> None:
        """Remove the stored vectors of all other models; the one in use must be among those named. May take long."""

    @abstractmethod
    def model_in_use(self) -> KnownModel | None:
        """Return the model that was last put in use, by whichever process."""

    @abstractmethod
    def unembedded(self, limit: int, model: str | None = None, after: int = 0) -> list[Memory]:
        """Return memories that a model, by identity, has not embedded yet: the oldest of those with ids above `after`.

        Without `model`, here and below, it is the one in use.
        """

    @abstractmethod
    def count_unembedded(self, model: str | None = None) -> dict[str, int]:
        """Count the memories that a model has not embedded yet, by project."""

    @abstractmethod
    def embeddings(self, ids: Sequence[int]) -> dict[int, Embedding]:
        """Return what the model in use has made of some memories, by id; without those it has not embedded."""

    @abstractmethod
    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
        """Add vectors to stored memories, by id with the text they stand for, where the model has none yet.

        A memory that has gone, or whose text or cues (`Embedding.cues`) have changed since, is passed over.
        """
