"""Waits for headers that the server doesn't show yet, or whose request ends the connection, and gives up in the end.

The journal keeps the start of each wait: otherwise each restart would begin the wait anew.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from worker.journal.places import Places
from worker.journal.records import Place
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import ConnectionLost, MailboxError, ProtocolFault
from worker.mailbox.session import Head, Session
from worker.pipeline.header_suspects import HEADER_POISON, HeaderSuspects
from worker.pipeline.put_off import PutOff
from worker.pipeline.whereabouts import Look

HEADER_WAIT = 3600.0
"""Seconds to wait for the header of a message that the server lists without one; after that it is a dead letter."""

HEADER_AGAIN = 300.0
"""Seconds until a header at which the connection ended is asked for again."""

NO_HEADER = "header-not-shown"
"""The reason of such a dead letter."""


class LateHeaders:
    """Asks for headers, and remembers which ones are late, or end the connection or the process."""

    def __init__(self, places: Places, suspects: HeaderSuspects, clock: Callable[[], float]) -> None:
        self._places = places
        self._suspects = suspects
        self._clock = clock
        self._alone: set[Place] = set()
        """Asked for one at a time, because a request for these headers ended the connection."""
        self._put_off: PutOff[Place] = PutOff(clock)
        """Those at which even a request for one alone ended the connection."""
        self._since: dict[tuple[int, int], float] = {}
        """Since when (epoch s) each header is waited for in the folder of this look; by UIDVALIDITY and UID."""

    def begin(self, look: Look) -> None:
        """Begin with the new messages of this look: forget those of its folder that have a row by now or are gone."""
        self._alone = {place for place in self._alone if _is_open(look, place)}
        for place in self._put_off:
            if not _is_open(look, place):
                self._put_off.forget(place)
        waits, now = self._places.headerless(look.folder), self._clock()
        self._since = {
            (validity, uid): at
            for (validity, uid), at in waits.items()
            if at <= now and _is_new(look, validity, uid)  # a start in the future: the clock was set back
        }
        self._places.await_headers(look.folder, {}, waits.keys() - self._since.keys())

    def ask(self, session: Session, look: Look, uids: Sequence[int]) -> None:
        """Ask for these headers ahead, unless some new message's header is to be asked for by itself, or later."""
        places = [Place(look.folder, look.state.uidvalidity, uid) for uid in uids]
        if not self._alone and not self._put_off and not any(map(self._suspects.hopeless, places)):
            session.ask_heads(uids)

    def shown(self, session: Session, look: Look, uids: Sequence[int]) -> Iterator[Head]:
        """The headers that the server shows, each as it is asked for. Those at which the process died too often are
        left out.

        If a request ends the connection, the next poll asks for each of its headers alone. If that request ends the
        connection too, the header is left out for a while, as if the server didn't show it yet: the other messages
        must not wait for it.

        Raises:
            MailboxError: the connection can't be used.
        """
        places = {Place(look.folder, look.state.uidvalidity, uid): uid for uid in uids}
        asked = [
            place
            for place in places
            if not self._suspects.hopeless(place) and not self._put_off.waits(place, HEADER_AGAIN)
        ]
        together = [place for place in asked if place not in self._alone]
        for group in (together, *([place] for place in asked if place in self._alone)):
            if not group:
                continue
            self._suspects.begin(group)
            try:
                yield from shown_heads(session, [places[place] for place in group])
            except MailboxError as error:
                self._suspects.end()
                if isinstance(error, ConnectionLost | ProtocolFault) and not error.earlier:
                    self._put_off.add(place for place in group if place in self._alone)
                    self._alone.update(group)
                raise
            self._suspects.end()
            self._alone.difference_update(group)

    def given_up(self, session: Session, look: Look, uids: Sequence[int], unread: Collection[int]) -> dict[int, str]:
        """The messages whose header we give up, by UID, each with the reason: the server hasn't shown it for so long,
        or the process died at it so often.

        uids: those asked for. unread: of these, the ones whose header wasn't read.
        """
        since = self._waiting_since(look, uids, unread)
        now, validity = self._clock(), look.state.uidvalidity
        reasons = {uid: NO_HEADER for uid, first in since.items() if now - first >= HEADER_WAIT}
        reasons |= {uid: HEADER_POISON for uid in unread if self._suspects.hopeless(Place(look.folder, validity, uid))}
        there = session.present(reasons) if reasons else set()
        return {uid: reason for uid, reason in reasons.items() if uid in there}

    def _waiting_since(self, look: Look, uids: Sequence[int], unread: Collection[int]) -> Mapping[int, float]:
        """Since when (epoch s) each unread header has been waited for. The journal forgets those that were read."""
        validity, now = look.state.uidvalidity, self._clock()
        begun = {(validity, uid): now for uid in unread if (validity, uid) not in self._since}
        read = [(validity, uid) for uid in uids if uid not in unread and (validity, uid) in self._since]
        self._places.await_headers(look.folder, begun, read)
        self._since |= begun
        for one in read:
            del self._since[one]
        return {uid: self._since[validity, uid] for uid in unread}


def _is_open(look: Look, place: Place) -> bool:
    """Whether this look leaves it open: the place is in another folder, or still that of a new message."""
    return place.folder != look.folder or _is_new(look, place.uidvalidity, place.uid)


def _is_new(look: Look, validity: int, uid: int | None) -> bool:
    """Whether it is one of the new messages. There may be 100,000, of which few are looked for: no set is made."""
    at = bisect_left(look.new, uid or 0)
    return validity == look.state.uidvalidity and look.new[at : at + 1] == (uid,)
