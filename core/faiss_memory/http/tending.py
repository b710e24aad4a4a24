"""The calls of looking after memories, which a page for people makes."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.contracts.http import Route
from faiss_memory.schema import ByProject, MemoryAnswer, duplicates, tending
from faiss_memory.service.memories import MemoryService


def tending_routes(service: MemoryService) -> Sequence[Route]:
    """Return the calls for whoever looks after what is remembered."""
    return (*_exploring(service), *_arranging(service), *_reviewing(service))


def _exploring(service: MemoryService) -> Sequence[Route]:
    exploring = service.tending.exploring
    return (
        Route(
            method="GET", path="/facets", summary="Count memories by project, tag, source, way and state",
            params=tending.FacetsRequest, answer=tending.FacetsAnswer, handler=exploring.facets,
        ),
        Route(
            method="GET", path="/memory/{id}/similar", summary="Find the memories most like one",
            params=tending.SimilarRequest, answer=tending.SimilarAnswer,
            handler=exploring.similar,
        ),
        Route(
            method="GET", path="/changes", summary="Tell what was written since a position",
            params=tending.ChangesRequest, answer=tending.ChangesAnswer, handler=exploring.changes,
        ),
    )  # fmt: skip


def _arranging(service: MemoryService) -> Sequence[Route]:
    arranging = service.tending.arranging
    return (
        Route(
            method="POST", path="/tags/rename", summary="Call a tag otherwise, or merge it into another",
            body=tending.RenameTagRequest, answer=tending.ChangedAnswer, handler=arranging.rename_tag,
        ),
        Route(
            method="POST", path="/projects/{name}/rename", params=ByProject, body=tending.NewName,
            summary="Call a project otherwise, or merge it into another", answer=tending.MovedAnswer,
            handler=lambda params, body, rights: arranging.rename_project(params.name, body, rights),
        ),
        Route(
            method="POST", path="/memory/move", summary="Move memories to another project",
            body=tending.MoveRequest, answer=tending.MovedAnswer, handler=arranging.move,
        ),
        Route(
            method="GET", path="/forgotten", summary="List what was forgotten and can come back",
            params=tending.ForgottenRequest, answer=tending.ForgottenAnswer, handler=arranging.forgotten,
        ),
        Route(
            method="POST", path="/memory/{id}/restore", summary="Bring back a memory that was forgotten",
            params=tending.OneMemory, answer=MemoryAnswer,
            handler=lambda params: arranging.bring_back(params.id),
        ),
        Route(
            method="POST", path="/memory/{id}/confirm",
            summary="Say that a memory still holds: its files are taken as they are now",
            params=tending.OneMemory, body=tending.ConfirmRequest, answer=MemoryAnswer,
            handler=lambda params, body: service.tending.confirming.confirm(params.id, body),
        ),
    )  # fmt: skip


def _reviewing(service: MemoryService) -> Sequence[Route]:
    uses, review, joining = service.tending.use_report, service.tending.review, service.tending.joining
    return (
        Route(
            method="GET", path="/uses", summary="Tell what was counted of the use of memories",
            params=tending.UsesRequest, answer=tending.UsesAnswer, handler=uses.uses,
        ),
        Route(
            method="GET", path="/memory/{id}/uses", summary="Tell when one memory was of use",
            params=tending.MemoryUsesRequest, answer=tending.UsesAnswer, handler=uses.of_memory,
        ),
        Route(
            method="GET", path="/duplicates", summary="Find memories that say the same, or nearly",
            params=duplicates.DuplicatesRequest, answer=duplicates.DuplicatesAnswer, handler=joining.find,
        ),
        Route(
            method="POST", path="/memory/merge", summary="Let one memory stand for others that say the same",
            body=duplicates.MergeRequest, answer=duplicates.MergeAnswer, handler=joining.merge,
        ),
        Route(
            method="POST", path="/memory/unmerge", summary="Undo that memories were joined",
            body=duplicates.UnmergeRequest, answer=duplicates.UnmergeAnswer, handler=joining.unmerge,
        ),
        Route(
            method="GET", path="/review/stale",
            summary="Find memories whose files are gone or have changed, or that nothing finds",
            params=tending.StaleRequest, answer=tending.StaleAnswer, handler=review.stale,
        ),
        Route(
            method="GET", path="/overview", summary="Tell what is in force: settings, plugins, problems, assistants",
            answer=tending.OverviewAnswer, handler=service.in_force.overview,
        ),
    )  # fmt: skip
