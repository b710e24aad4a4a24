"""What a stranger's package may hold: an adapter, and a plugin with settings and a call of its own."""

from msgspec import Struct

from faiss_memory import Adapter, Answer, OwnFile, Positive, PromptTemplate, Route, hookimpl


class Shouting(Struct, frozen=True, forbid_unknown_fields=True):
    """How the plugin answers."""

    greeting: str = "hello"
    times: Positive = 1


class Shout(Answer):
    """What is shouted."""

    said: str


class Plugin:
    @hookimpl
    def register_settings(self):
        return Shouting

    @hookimpl
    def register_routes(self, service):
        mine = service.settings.of(Shouting)

        def shout():
            return Shout(said=" ".join([mine.greeting] * mine.times))

        return [Route(method="GET", path="/shout", summary="Shout", answer=Shout, handler=shout)]


plugin = Plugin()
PROMPT = PromptTemplate("parrot", "Ask $url about $project before you squawk.\n")
adapter = Adapter(
    name="parrot",
    title="Parrot",
    prompt=PROMPT,
    files=lambda context: (OwnFile(".parrot/faiss-memory.md", PROMPT.filled(context.url, context.project)),),
)
