"""The settings: one typed object, filled from defaults, yaml file, environment and command line."""

from faiss_memory.settings.environment import (
    NOT_SETTINGS,
    address_in_environment,
    environment_with,
    hub_cache_folder,
    prepare_process,
    runtime_folder,
    state_folder,
    user_config_file,
)
from faiss_memory.settings.loading import (
    PREFIX,
    SHORT_NAMES,
    Loaded,
    Origin,
    config_path,
    environment_name,
    known_keys,
    load,
)
from faiss_memory.settings.sections import (
    LOOPBACK,
    Limits,
    Plugins,
    Positive,
    Project,
    Secret,
    Settings,
)

__all__ = [
    "LOOPBACK",
    "NOT_SETTINGS",
    "PREFIX",
    "SHORT_NAMES",
    "Limits",
    "Loaded",
    "Origin",
    "Plugins",
    "Positive",
    "Project",
    "Secret",
    "Settings",
    "address_in_environment",
    "config_path",
    "environment_name",
    "environment_with",
    "hub_cache_folder",
    "known_keys",
    "load",
    "prepare_process",
    "runtime_folder",
    "state_folder",
    "user_config_file",
]
