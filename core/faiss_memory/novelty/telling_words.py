"""English words that tell two texts apart, and such as do not: what `differences` goes by.

A word that excludes another is a different value, as another number is; a list can only name the most frequent.
"""

from __future__ import annotations

from functools import cache

from faiss_memory.analyzer import stem

_NEGATIONS = """
not no never none nobody nothing neither nor without cannot cant wont dont doesnt didnt isnt arent wasnt shouldnt mustnt
avoid avoids avoiding forbid forbids forbidden prohibit prohibits prohibited disallow disallowed ban banned refuse
refuses stop stops unless except instead rather
"""
_EMPHASIZED = """
must should shall may do does only all any every use important note todo and or always never on off yes no true false
before after first last new old allow deny forbid enable disable
"""
_SMALL = """
a an the this that these those our we i you it its they is are was be been will would can could should must to of in on
at for from by with as and or so just now also please then there here all your my their us has have had do does did
"""
_MONTHS = "january february march april may june july august september october november december"
_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""
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
ms millisecond / s second / sec second / secs second / m minute / min minute / mins minute / h hour / hr hour / hrs hour
d day / kib kb / mib mb / gib gb
"""
_ALSO_WRITTEN = """
js javascript / ts typescript / k8s kubernetes / py python / postgres postgresql / db database / repo repository
env environment / config configuration / prod production / docs documentation / auth authentication / info information
"""

NEGATIONS = frozenset(_NEGATIONS.split())
"""In small letters and without apostrophes; each turns what is said around."""
EMPHASIZED = frozenset(_EMPHASIZED.split())
"""Words that are written in capitals to be heard."""
SMALL_WORDS = frozenset(_SMALL.split())
"""Words that say nothing by themselves."""
MONTHS = {month: number for number, month in enumerate(_MONTHS.split(), 1)}
NUMBERS = {word: str(number) for number, word in enumerate(_NUMBERS.split()) if word != "one"}
"""Numbers that are written as words; "one" is also nobody in particular."""
NUMBERS |= {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100"}
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
