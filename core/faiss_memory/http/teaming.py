"""The calls about the team: for whoever looks after it."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.contracts.http import Route
from faiss_memory.schema import team as messages
from faiss_memory.service.teaming import Teaming


def team_routes(team: Teaming) -> Sequence[Route]:
    """Return the calls that add members, give and take rights, and tell what was done."""
    return (*_members(team), *_telling(team))


def _members(team: Teaming) -> Sequence[Route]:
    return (
        Route(
            method="GET", path="/team", summary="List the members with what they may do",
            answer=messages.TeamAnswer, handler=team.members,
        ),
        Route(
            method="POST", path="/team", summary="Add a member, who may do nothing yet", status=201,
            body=messages.MemberRequest, answer=messages.DoneAnswer, handler=team.add,
        ),
        Route(
            method="DELETE", path="/team/{name}", summary="Remove a member",
            params=messages.ByMember, answer=messages.DoneAnswer, handler=team.remove,
        ),
        Route(
            method="POST", path="/team/{name}/token", summary="Make a token for a member", status=201,
            params=messages.ByMember, body=messages.TokenRequest, answer=messages.NewTokenAnswer,
            handler=team.token,
        ),
        Route(
            method="POST", path="/team/{name}/revoke", summary="Revoke a member's tokens, or one of them",
            params=messages.ByMember, body=messages.RevokeRequest, answer=messages.RevokedAnswer,
            handler=team.revoke,
        ),
        Route(
            method="POST", path="/team/{name}/grant", summary="Say what a member may do in a project",
            params=messages.ByMember, body=messages.GrantRequest, answer=messages.DoneAnswer, handler=team.grant,
        ),
        Route(
            method="POST", path="/team/{name}/subject", summary="Let who signs in elsewhere be a member",
            params=messages.ByMember, body=messages.SubjectRequest, answer=messages.DoneAnswer, handler=team.link,
        ),
    )  # fmt: skip


def _telling(team: Teaming) -> Sequence[Route]:
    return (
        Route(
            method="GET", path="/team/log", summary="Tell who did what, without any text",
            params=messages.TeamLogRequest, answer=messages.TeamLogAnswer, handler=team.log,
        ),
        Route(
            method="GET", path="/me", summary="Tell who asks, and what may be done",
            answer=messages.MeAnswer, handler=team.me,
        ),
    )  # fmt: skip
