"""Who may add members and say what they may do: the owner, and who looks after a project there."""

from __future__ import annotations

from datetime import UTC

from faiss_memory.contracts.team import Token
from faiss_memory.errors import NotAllowed
from faiss_memory.rights import EVERY_PROJECT, Rights
from faiss_memory.schema import team as messages
from faiss_memory.service.messages import format_projects, time_text
from faiss_memory.team.team import Team


class Teaming:
    """Answers the calls about the team; raises what `Team` raises, and NotAllowed."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def members(self, rights: Rights) -> messages.TeamAnswer:
        """List the members with their grants and tokens."""
        _check_owner(rights)
        found = [
            messages.MemberAnswer(
                name=member.name,
                created_at=time_text(created),
                grants=[messages.GrantFact(project=name, can=can) for name, can in member.grants.items()],
                tokens=[_token(one) for one in tokens],
                subjects=subjects,
            )
            for member, created, tokens, subjects in self._team.members()
        ]
        return messages.TeamAnswer(members=found, count=len(found))

    def add(self, request: messages.MemberRequest, rights: Rights) -> messages.DoneAnswer:
        """Add a member."""
        _check_owner(rights)
        self._team.add(request.name, rights)
        return messages.DoneAnswer(success=True, name=request.name)

    def remove(self, params: messages.ByMember, rights: Rights) -> messages.DoneAnswer:
        """Remove a member."""
        _check_owner(rights)
        self._team.remove(params.name, rights)
        return messages.DoneAnswer(success=True, name=params.name)

    def token(
        self, params: messages.ByMember, body: messages.TokenRequest, rights: Rights
    ) -> messages.NewTokenAnswer:
        """Make a token."""
        _check_owner(rights)
        expires = body.expires
        if expires is not None:
            expires = expires.replace(tzinfo=expires.tzinfo or UTC)
        token, made = self._team.new_token(params.name, expires, rights)
        return messages.NewTokenAnswer(
            name=params.name, token=token, id=made.id,
            expires_at=None if made.expires is None else time_text(made.expires),
        )  # fmt: skip

    def revoke(
        self, params: messages.ByMember, body: messages.RevokeRequest, rights: Rights
    ) -> messages.RevokedAnswer:
        """Revoke tokens."""
        _check_owner(rights)
        revoked = self._team.revoke(params.name, body.token, rights)
        return messages.RevokedAnswer(success=True, name=params.name, revoked=revoked)

    def grant(
        self, params: messages.ByMember, body: messages.GrantRequest, rights: Rights
    ) -> messages.DoneAnswer:
        """Set what a member may do in a project."""
        if body.project == EVERY_PROJECT:
            _check_owner(rights)
        else:
            rights.to_arrange(body.project)
        self._team.grant(params.name, body.project, body.can, rights)
        return messages.DoneAnswer(success=True, name=params.name)

    def link(
        self, params: messages.ByMember, body: messages.SubjectRequest, rights: Rights
    ) -> messages.DoneAnswer:
        """Let who signs in elsewhere be a member, or no more."""
        _check_owner(rights)
        (self._team.unlink if body.unlink else self._team.link)(params.name, body.subject, rights)
        return messages.DoneAnswer(success=True, name=params.name)

    def log(self, params: messages.TeamLogRequest, rights: Rights) -> messages.TeamLogAnswer:
        """Return what was done."""
        _check_owner(rights)
        found = [
            messages.TeamLogEntry(
                id=one.id, time=time_text(one.time), actor=one.actor, action=one.action,
                projects=list(one.projects), ids=list(one.ids), count=one.count, about=one.about,
            )
            for one in self._team.entries(params.limit, params.actor, params.before)
        ]  # fmt: skip
        return messages.TeamLogAnswer(entries=found, count=len(found))

    def me(self, rights: Rights) -> messages.MeAnswer:
        """Return who asks, and what may be done."""
        return messages.MeAnswer(
            name=rights.actor or None,
            read=format_projects(rights.reads),
            write=format_projects(rights.writes),
            admin=format_projects(rights.admins),
        )


def _check_owner(rights: Rights) -> None:
    """Refuse whoever does not look after every project. Raises NotAllowed."""
    if rights.admins is not None:
        raise NotAllowed("only the owner, and who looks after every project (`*`), may do that")


def _token(one: Token) -> messages.TokenFact:
    return messages.TokenFact(
        id=one.id,
        created_at=time_text(one.created),
        expires_at=None if one.expires is None else time_text(one.expires),
        revoked_at=None if one.revoked is None else time_text(one.revoked),
    )
