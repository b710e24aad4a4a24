"""What reading YAML raises, whoever wrote it."""

from __future__ import annotations

import yaml

YAML_ERRORS = (
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)
"""PyYAML raises its own errors for syntax alone. What makes a value of a text raises whatever it comes upon: an
IndexError for `!!int ""`, an AttributeError for `!!timestamp x`."""
