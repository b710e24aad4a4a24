"""English words that tell two texts apart, and such as do not: what `differences` goes by.

A word that excludes another is a different value, as another number is; a list can only name the most frequent.
"""

from __future__ import annotations

from functools import cache

from faiss_memory.analyzer import stem

_NEGATIONS = """
not no never none nobody nothing neither nor without cannot cant wont dont doesnt didnt isnt arent wasnt shouldnt mustnt
avoid avoids avoiding forbid forbids forbidden prohibit prohibits prohibited disallow disallowed ban banned refuse
refuses stop stops stopped stopping unless except instead rather formerly cease ceases ceased ceasing ignore ignores
ignored ignoring lack lacks lacked lacking unlike abandon abandons abandoned discontinue discontinued deprecated
obsolete skip skips skipped skipping omit omits omitted omitting
"""
_SWITCHED_OFF = (
    "off disable disables disabled disabling inactive deactivate deactivates deactivated deactivating"
)
_EMPHASIZED = """
must should shall may do does only all any every use important note todo and or always never on off yes no true false
before after first last new old allow deny forbid enable disable
"""
_SMALL = """
a an the this that these those our we i you it its they is are was be been will would can could should must to of in on
at for from by with as and or so just now also please then there here all your my their us has have had do does did
what where which who whose when how use uses used using
"""
_FRAME = """
keep keeps kept keeping live lives lived living hold holds held holding store stores stored storing put puts save saves
saved sit sits need needs needed require requires required want wants decide decided choose chose chosen choosing pick
picked prefer preferred write writes wrote written writing language run runs ran running start starts started starting
take takes took taken get gets got come comes came happen happens happened work
works worked give gives given set sets setting find found send sends sent say says said call calls called name named
main primary every each all any only always everywhere time times thing things way place amount money value
"""
_MONTHS = "january february march april may june july august september october november december"
_EXCLUSIVE = """
on off / enable disable / enabled disabled / true false / yes no / always never sometimes / allow deny forbid
accept reject / before after / min max / minimum maximum / least most / more less fewer / up down / first last
include exclude / sync async / synchronous asynchronous / public private / local remote / client server / add remove
open close / start stop / begin end / increase decrease / raise lower / upper lower / top bottom / left right
horizontal vertical / internal external / mandatory optional / required optional / manual automatic
manually automatically / dark light / merge rebase squash / tab space / single double triple / http https
dev development staging production prod test / debug info warning error critical / read write / input output
monday tuesday wednesday thursday friday saturday sunday / daily weekly monthly hourly yearly quarterly
north south east west / morning noon evening night / pass fail / success failure / old new / early late / fast slow
small large / short long / high low / major minor patch / cpu gpu / ascending descending / asc desc / inner outer
push pull / encode decode / encrypt decrypt / source destination / millisecond second minute hour day week month year
kb mb gb tb / kilobyte megabyte gigabyte terabyte / black white / red green blue yellow orange purple
json xml yaml toml csv / get post put patch delete / even odd / strict lenient / above below / inside outside
front back / wide narrow / once twice / half full / empty full / active inactive
"""
_UNITS = """
ms millisecond / msec millisecond / s second / sec second / secs second / m minute / min minute / mins minute / h hour
hr hour / hrs hour / d day / kb kb / kib kb / mb mb / mib mb / gb gb / gib gb / tb tb / tib tb
"""
_ALSO_WRITTEN = """
js javascript / ts typescript / k8s kubernetes / py python / postgres postgresql / db database / repo repository
env environment / config configuration / prod production / docs documentation / auth authentication / info information
"""

NEGATIONS = frozenset(_NEGATIONS.split())
"""In small letters and without apostrophes; each turns what is said around."""
SWITCHED_OFF = frozenset(_SWITCHED_OFF.split())
"""Words that negate as well, and have an opposite besides."""
EMPHASIZED = frozenset(_EMPHASIZED.split())
"""Words that are written in capitals to be heard."""
SMALL_WORDS = frozenset(_SMALL.split())
"""Words that say nothing by themselves."""
FRAME_WORDS = SMALL_WORDS | frozenset(stem(word) for word in _FRAME.split())
"""Stems that one sentence is built with, and another that says the same is not."""
MONTHS = _MONTHS.split()
OPPOSITES = ("un", "non", "de", "dis", "in", "im", "ir", "mis", "anti")
"""What makes of a word its opposite."""


def _rows(text: str) -> list[list[str]]:
    return [row.split() for line in text.strip().splitlines() for row in line.split(" / ")]


UNITS = {short: unit for short, unit in _rows(_UNITS)}
ALSO_WRITTEN = {short: whole for short, whole in _rows(_ALSO_WRITTEN)}


@cache
def groups() -> dict[str, list[int]]:
    """Return the numbers of the groups that a stem belongs to; of each group a text says one."""
    found: dict[str, list[int]] = {}
    for number, words in enumerate(_rows(_EXCLUSIVE)):
        for word in words:
            found.setdefault(stem(word), []).append(number)
    return found
