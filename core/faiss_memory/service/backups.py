"""Copies of the whole store: backups, archives, and going back to one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

from msgspec import UNSET

from faiss_memory import schema
from faiss_memory.contracts.backups import LeftOut, Restored
from faiss_memory.contracts.http import Download
from faiss_memory.errors import InvalidRequest
from faiss_memory.schema.limits import check_time
from faiss_memory.secrets.masking import masked
from faiss_memory.service import messages
from faiss_memory.service.memories import MemoryService


class Backups:
    """The calls about backups; raises what the service raises."""

    def __init__(self, service: MemoryService) -> None:
        self._engine = service.engine
        self._secrets = service.secrets

    def backup(self, request: schema.BackupRequest) -> schema.BackupAnswer:
        """Make a consistent copy that can be restored."""
        made = self._engine.backups.backup(request.label and masked(request.label))
        return schema.BackupAnswer(
            success=True,
            backup=made.name,
            memories=made.memories,
            size_bytes=made.size_bytes,
            message="Backup made; to restore it, stop the service, copy the backup's files into the data folder, "
            "and start the service",
        )

    def backups(self) -> schema.BackupsAnswer:
        """List every backup, oldest first."""
        found = [
            schema.BackupEntry(
                name=one.name,
                created_at=messages.time_text(one.created_at),
                memories=one.memories,
                size_bytes=one.size_bytes,
                label=one.label,
            )
            for one in self._engine.backups.backups()
        ]
        return schema.BackupsAnswer(backups=found, count=len(found))

    def restore(self, request: schema.RestoreRequest) -> schema.RestoreAnswer:
        """Go back to a backup or a time. Raises MemoryNotFound for one that is not there."""
        return self._restored(self._engine.restore(_wanted(request)))

    def changes(self, request: schema.RestoreChangesRequest) -> schema.RestoreChangesAnswer:
        """Return what a restore would change. Raises what `restore` raises."""
        found = self._engine.backups.difference(_wanted(request), request.limit)
        changes = [
            schema.ChangeByRestore(
                kind="added" if one.then is None else "forgotten" if one.now is None else "changed",
                now=None if one.now is None else messages.memory(one.now),
                then=None if one.then is None else messages.memory(one.then),
            )
            for one in found.changes
        ]
        return schema.RestoreChangesAnswer(
            backup=found.name,
            now=found.now,
            then=found.then,
            added=found.added,
            changed=found.changed,
            forgotten=found.forgotten,
            changes=changes,
            more=len(changes) < found.added + found.changed + found.forgotten,
            left_out=_left_out(found.left_out),
        )

    def archive(self, request: schema.ArchiveRequest) -> Download:
        """Open a backup, or the present, as one file to take away. Raises MemoryNotFound for one that is not there."""
        return self._engine.backups.archive(request.backup, request.label and masked(request.label))

    def restore_archive(self, archive: BinaryIO) -> schema.RestoreAnswer:
        """Go to the state in an archive, of this store or another."""
        return self._restored(self._engine.restore_archive(archive))

    def _restored(self, done: Restored) -> schema.RestoreAnswer:
        with_secrets = self._secrets.count()
        message = f"Restored; the state before was set aside as {done.set_aside} in the data folder"
        if done.left_out:
            message += f". Left out: {messages.left_out(done.left_out)}"
        if done.left_behind:
            message += f". Left behind: {'; '.join(done.left_behind)}"
        if with_secrets:
            message += (
                f". Memories that hold what looks like a secret: {with_secrets:,}; `faiss-memory scan` names them, and "
                "`faiss-memory scan --mask` masks them in every file"
            )
        return schema.RestoreAnswer(
            success=True,
            restored=done.name,
            memories=done.memories,
            set_aside=done.set_aside,
            left_out=_left_out(done.left_out),
            left_behind=[*done.left_behind],
            with_secrets=with_secrets,
            message=message,
        )


def _wanted(request: schema.RestoreRequest | schema.RestoreChangesRequest) -> str | datetime:
    if (request.backup is UNSET) == (request.time is UNSET):
        raise InvalidRequest("say what to restore: give either `backup`, a name, or `time`", "backup")
    time = None if request.time is UNSET else check_time(request.time, "time")
    return time or str(request.backup)


def _left_out(memories: Sequence[LeftOut]) -> list[schema.LeftOutMemory]:
    return [schema.LeftOutMemory(id=one.id, uid=one.uid, reason=one.reason) for one in memories]
