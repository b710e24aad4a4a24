"""What can be set: `plugins.ingest` in the configuration file."""

from __future__ import annotations

from msgspec import Struct

from faiss_memory import Positive


class IngestSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which files a build may read, and which of them it leaves out."""

    roots: tuple[str, ...] = ("~",)
    max_file_bytes: Positive = 4 * 1024 * 1024
    git_ignored: bool = False
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
