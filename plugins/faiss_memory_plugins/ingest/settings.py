"""What can be set: `plugins.ingest` in the configuration file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from faiss_memory import Positive


class WatchSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Folders that build themselves; all times are in seconds."""

    folders: tuple[str, ...] = ()
    settle_seconds: Annotated[float, Meta(ge=0.05, le=60)] = 1.5
    gone_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    polling: Literal["auto", "always", "never"] = "auto"
    poll_seconds: Annotated[float, Meta(ge=0.05, le=3600)] = 10.0


class IngestSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which files a build may read, and which of them it leaves out."""

    roots: tuple[str, ...] = ("~",)
    max_file_bytes: Positive = 4 * 1024 * 1024
    git_ignored: bool = False
    watch: WatchSettings = WatchSettings()
    skip: tuple[str, ...] = (
        ".*",
        "node_modules/",
        "bower_components/",
        "venv/",
        "__pycache__/",
        "*.egg-info/",
        "*.min.js",
        "pnpm-lock.yaml",
    )
    secrets: tuple[str, ...] = (
        ".env",
        ".env.*",
        "!.env.example",
        ".ssh/",
        ".gnupg/",
        ".aws/",
        ".netrc",
        ".pypirc",
        ".npmrc",
        ".htpasswd",
        ".git-credentials",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "*.pem",
        "*.key",
        "*.p12",
        "*.pfx",
        "*.jks",
        "*.keystore",
        "*.kdbx",
        "*.ppk",
    )
