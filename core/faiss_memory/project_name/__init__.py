"""Which project a folder belongs to: `folders` names it, `owners` says who has which name."""

from faiss_memory.project_name.folders import (
    DEFAULT as DEFAULT,
    NOWHERE as NOWHERE,
    Place as Place,
    Repository as Repository,
    find_repository as find_repository,
    is_gone as is_gone,
    may_be_a_project as may_be_a_project,
    name_of_remote as name_of_remote,
    place_of as place_of,
    project_of as project_of,
    read_config as read_config,
    remote_address as remote_address,
)
