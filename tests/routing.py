"""falcon's router, told the same routes thousands of times: the tree it makes of them is shared by all services."""

from __future__ import annotations

from functools import cache
from typing import Any

import falcon.app
from falcon.routing import CompiledRouter
from falcon.routing.util import map_http_methods, set_default_responders


class SharedRouter(CompiledRouter):
    """Finds the template that fits by a shared tree, and who answers it among what this application has given.

    The tree is made, and templates that do not go together are refused, when the first request comes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._given: dict[str, object] = {}
        self._methods: dict[str, Any] = {}
        self._tree: CompiledRouter | None = None

    def add_route(self, uri_template: str, resource: object, **_: Any) -> None:
        self._given[uri_template] = resource
        self._tree = None

    def find(self, uri: str, req: Any = None) -> Any:
        if self._tree is None:
            self._tree = _tree(tuple(self._given))
        found = self._tree.find(uri)
        if found is None:
            return None
        _, _, params, template = found
        assert template is not None
        resource = self._given[template]
        if template not in self._methods:
            methods: Any = map_http_methods(resource)
            set_default_responders(methods)
            self._methods[template] = methods
        return resource, self._methods[template], params, template


@cache
def _tree(templates: tuple[str, ...]) -> CompiledRouter:
    """Return what finds these templates; nothing answers there."""
    tree = CompiledRouter()
    for template in templates:
        tree.add_route(template, tree)
    return tree


def share() -> None:
    """Let every application of this process find its routes so."""
    falcon.app.routing.DefaultRouter = SharedRouter  # type: ignore[misc]
