"""Suspects before admission: headers at which a process died, before their messages had rows.

Before headers are read, the journal is told which. If the process dies meanwhile, the next one reads each of them
alone, and counts how often it dies with one alone in hand. In the end that message gets its row without having been
read, and is a dead letter.
"""

from collections.abc import Sequence, Sized
from dataclasses import dataclass

from worker.journal.header_reads import HeaderReads
from worker.journal.places import Places
from worker.journal.records import Place
from worker.logs.log import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.session import HEADS_AT_ONCE
from worker.pipeline.whereabouts import Look

log = get_logger()

HEADER_POISON = "header-poison"
"""The reason of such a dead letter."""


@dataclass(frozen=True, slots=True)
class Batch:
    """UIDs whose headers are read together. suspect: it is a single one, at which a process may have died."""

    uids: Sequence[int]
    suspect: bool


class HeaderSuspects:
    """Remembers in the journal which headers are being read, and which of them may have ended the process."""

    def __init__(self, places: Places, *, in_hand: Sized, deaths: int) -> None:
        """in_hand: the messages that handlers have. deaths: when the process has died this often at a header alone, it
        isn't read any more.
        """
        self._places = places
        self._in_hand = in_hand
        self._deaths = deaths
        self._reads = HeaderReads()

    def batches(self, look: Look) -> list[Batch]:
        """The new UIDs of a look, in the batches in which their headers are to be read.

        Suspects come first, because nothing else is in hand then; and of these the ones with the fewest deaths, so that
        the innocent have their rows before the process dies again.
        """
        self._take_up(look)
        deaths = {place.uid: count for place, count in self._reads.deaths.items() if place.folder == look.folder}
        suspects = sorted((uid for uid in look.new if uid in deaths), key=lambda uid: (deaths[uid], uid))
        others = [uid for uid in look.new if uid not in deaths]
        return [
            *(Batch((uid,), suspect=True) for uid in suspects),
            *(Batch(tuple(uids), suspect=False) for uids in uid_sets.chunks(others, HEADS_AT_ONCE)),
        ]

    def hopeless(self, place: Place) -> bool:
        """Whether the process has died too often at this header."""
        return self._reads.deaths.get(place, 0) >= self._deaths

    def begin(self, places: Sequence[Place]) -> None:
        """Tell the journal that these headers are being read. Call this before any of them is read."""
        alone = len(places) == 1 and not len(self._in_hand)
        self._store(HeaderReads(tuple(places), alone, self._reads.deaths))

    def end(self) -> None:
        """Tell the journal that the headers were read, or that the connection ended, and the process lives."""
        read = set(self._reads.reading)
        self._store(
            HeaderReads(deaths={place: count for place, count in self._reads.deaths.items() if place not in read})
        )

    def _take_up(self, look: Look) -> None:
        """Make suspects of the headers whose reading was broken off. Forget those that are gone or have a row."""
        reads = self._places.header_reads()
        deaths = {place: reads.deaths.get(place, 0) for place in reads.reading} | dict(reads.deaths)
        if reads.alone:
            deaths[reads.reading[0]] += 1
        if reads.reading:
            log.warning("mailbox.header_suspects", count=len(reads.reading), alone=int(reads.alone))
        still = {Place(look.folder, look.state.uidvalidity, uid) for uid in look.new}
        deaths = {place: count for place, count in deaths.items() if place.folder != look.folder or place in still}
        self._reads = reads
        if deaths != reads.deaths or reads.reading:
            self._store(HeaderReads(deaths=deaths))

    def _store(self, reads: HeaderReads) -> None:
        self._places.read_headers(reads)
        self._reads = reads
