"""How the service proves to a client who it is, before the client tells it anything.

A client that knows a secret of the service (the one in `service.json`, or the token) sends a nonce. Only who knows the
same secret can make the proof for it. The proof holds for one place, an address with its port: another program that
listens elsewhere, and hands the nonce on to the service, gets a proof that does not fit where it was asked.

`faiss_memory_hook` has the same in its own words, since it imports nothing of ours; a test compares the two.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b

PATH = "/proof"
NONCE_PATTERN = r"[0-9a-f]{32,128}"


def new_nonce() -> str:
    """Make what a proof is asked for; it is used once."""
    return secrets.token_hex(16)


def new_secret() -> str:
    """Make the secret of one run of the service."""
    return secrets.token_hex(32)


def place_of(host: str, port: int) -> str:
    """Write an address as proofs have it, such as `127.0.0.1:8900` or `[::1]:8900`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def proof(secret: str, nonce: str, place: str) -> str:
    """Return the proof that who answers at `place` knows `secret`: a keyed BLAKE2b (RFC 7693), in hexadecimal."""
    key = blake2b(secret.encode("utf-8", "surrogateescape")).digest()
    return blake2b(f"{nonce} {place}".encode(), key=key, digest_size=32, person=b"faiss-memory").hexdigest()


def is_proven(answer: object, secret: str, nonce: str, place: str) -> bool:
    """Return whether an answer of the service, `{"proofs": […]}`, has the proof that was asked for."""
    given = answer.get("proofs") if isinstance(answer, dict) else None
    wanted = proof(secret, nonce, place)
    proofs = given if isinstance(given, list) else []
    return any(isinstance(one, str) and one.isascii() and hmac.compare_digest(one, wanted) for one in proofs)
