"""Which headers are being read, and at which the process died: kept as one fact, which a restart finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from worker.journal.records import Place

HEADER_READS: Final = "header_reads"
"""The name of the fact."""


@dataclass(frozen=True, slots=True)
class HeaderReads:
    """The headers of new messages, which have no rows yet.

    reading: where those lie that are being read; when no process reads, their reading was broken off. alone: whether
    the process had nothing else in hand. deaths: those whose reading was broken off, each with how often that happened
    while it was read alone.
    """

    reading: tuple[Place, ...] = ()
    alone: bool = False
    deaths: Mapping[Place, int] = field(default_factory=dict)

    def stored(self) -> str:
        """As text, which `read_header_reads` reads back."""
        return orjson.dumps(
            {
                "reading": [_fields(place) for place in self.reading],
                "alone": self.alone,
                "deaths": [(*_fields(place), count) for place, count in self.deaths.items()],
            }
        ).decode()


def read_header_reads(stored: str | None) -> HeaderReads:
    """Read the text that `stored` wrote."""
    if stored is None:
        return HeaderReads()
    told = orjson.loads(stored)
    return HeaderReads(
        reading=tuple(Place(*fields) for fields in told["reading"]),
        alone=told["alone"],
        deaths={Place(*fields): count for *fields, count in told["deaths"]},
    )


def _fields(place: Place) -> tuple[str, int, int | None]:
    return place.folder, place.uidvalidity, place.uid
