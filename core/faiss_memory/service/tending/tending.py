"""What the calls for looking after memories are answered by, together."""

from __future__ import annotations

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.plugin_host import PluginHost
from faiss_memory.service.claims import Claims
from faiss_memory.service.tending.arranging import Arranging, Rewrite
from faiss_memory.service.tending.built_files import BuiltFiles, Outdated
from faiss_memory.service.tending.confirming import Confirming
from faiss_memory.service.tending.exploring import Exploring
from faiss_memory.service.tending.freshness import Freshness
from faiss_memory.service.tending.joining import Joining
from faiss_memory.service.tending.review import Review
from faiss_memory.service.tending.use_report import UseReport
from faiss_memory.service.vocabulary import Vocabulary
from faiss_memory.settings import Settings
from faiss_memory.team.team import Note


class Tending:
    """The seven parts; each raises what the service raises."""

    def __init__(
        self,
        settings: Settings,
        engine: MemoryEngine,
        plugins: PluginHost,
        claims: Claims,
        vocabulary: Vocabulary,
        rewrite: Rewrite,
        note: Note,
        outdated: Outdated,
    ) -> None:
        self.exploring = Exploring(engine, vocabulary)
        self.arranging = Arranging(settings.limits, engine, plugins, claims, rewrite, note)
        self.use_report = UseReport(engine)
        self.freshness = Freshness(engine, outdated)
        self.review = Review(engine, self.use_report, BuiltFiles(engine, outdated), self.freshness)
        self.confirming = Confirming(engine, rewrite, note, self.freshness)
        self.joining = Joining(settings.limits, engine, rewrite, note)
