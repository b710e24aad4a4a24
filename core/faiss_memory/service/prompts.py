"""The texts that tell an assistant when to search and when to store, as adapters and plugins bring them."""

from __future__ import annotations

from faiss_memory import schema
from faiss_memory.address import settled_address
from faiss_memory.errors import MemoryNotFound
from faiss_memory.memory import DEFAULT_PROJECT
from faiss_memory.plugin_host import PluginHost
from faiss_memory.settings import Settings


def filled(plugins: PluginHost, settings: Settings, request: schema.PromptRequest) -> schema.PromptAnswer:
    """Fill in a template for a project. Raises MemoryNotFound, which names those that there are."""
    brought = [one for some in plugins.ask("register_prompt_templates") for one in some]
    by_name = {template.name: template for template in reversed(brought)}  # the first of a name is taken
    if request.name not in by_name:
        raise MemoryNotFound(f"there is no prompt `{request.name}`; there are {', '.join(sorted(by_name))}")
    project = request.project or DEFAULT_PROJECT
    text = by_name[request.name].filled(settled_address(settings), project)
    return schema.PromptAnswer(name=request.name, project=project, text=text)
