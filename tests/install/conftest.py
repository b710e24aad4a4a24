"""How many examples the property tests take, and whose files they see: not those of whoever runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Few in `make test`, thousands in `make installs`.
settings.register_profile("installs", max_examples=4000, derandomize=False)

ANOTHERS = ("XDG_", "FAISS_MEMORY_")
"""How the variables begin that say where a person's files and running service are."""


@pytest.fixture(scope="module", autouse=True)
def _nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Be somebody who has no files yet and runs no service, whoever runs the tests."""
    home = tmp_path_factory.mktemp("nobody")
    with pytest.MonkeyPatch.context() as patched:
        for name in os.environ:
            if name.startswith(ANOTHERS) or name.endswith(("_HOME", "_CONFIG_DIR")):
                patched.delenv(name)
        patched.setenv("HOME", str(home))
        patched.setenv("XDG_RUNTIME_DIR", str(home / "runtime"))
        yield
