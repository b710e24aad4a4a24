"""How many examples the property tests take: few in `make test`, thousands in `make installs`."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("installs", max_examples=4000, derandomize=False)
