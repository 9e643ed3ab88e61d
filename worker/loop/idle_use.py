"""Whether to use IDLE. Some servers, and firewalls before them, end each connection that is in it."""

from collections.abc import Callable

from worker.logs.log import get_logger
from worker.loop.connection import LASTING
from worker.mailbox.errors import CommandRefused, MailboxError, ProtocolFault, TokenExpired
from worker.mailbox.session import Session

log = get_logger()

ENDED_IN_A_ROW = 3
"""After so many connections in a row that were lost in IDLE, it is IDLE that ends them."""
ENOUGH = 0.9
"""IDLE ended well if it lasted for at least this part of the time after which others broke. One that news ended after a
second shows nothing."""
GIVEN_UP_FOR = 3600.0
"""Seconds for which IDLE is given up the first time. Each time after that twice as long, until one ends well."""
LONGEST_GIVEN_UP = 86_400.0
"""The longest time (s) for which it is given up."""


class IdleUse:
    """Begins and ends IDLE, and gives it up for a while if it is what ends the connections."""

    def __init__(self, *, allowed: bool, monotonic: Callable[[], float]) -> None:
        """allowed: whether the settings allow it."""
        self._allowed = allowed
        self._monotonic = monotonic
        self._ended = 0
        self._times = 0
        self._not_before = 0.0
        self._began = 0.0
        self._broke_after = 0.0

    def begin(self, session: Session) -> bool | None:
        """Begin IDLE. Returns whether there is news already; None if IDLE isn't to be used, or the server refuses it.

        Raises:
            MailboxError: the connection has ended.
        """
        if not self._is_wanted() or session.selected is None or not session.has("IDLE"):
            return None
        self._began = self._monotonic()
        try:
            return session.idle()
        except (CommandRefused, ProtocolFault) as error:
            self._allowed = False  # advertised but refused: rely on the schedule from now on
            if isinstance(error, ProtocolFault):
                raise
            return None
        except MailboxError as error:
            self._broke(error)
            raise

    def end(self, session: Session) -> bool | None:
        """End IDLE. Returns whether mail came or left since it began; None if the connection isn't in IDLE.

        Raises:
            MailboxError: the connection has ended.
        """
        if not session.idling:
            return None
        try:
            news = session.idle_done()
        except MailboxError as error:
            self._broke(error)
            raise
        if self._lasted() >= ENOUGH * self._broke_after:
            if self._times:
                log.info("idle.resumed")
            self._ended = self._times = 0
            self._broke_after = 0.0
        return news

    def _lasted(self) -> float:
        return self._monotonic() - self._began

    def _is_wanted(self) -> bool:
        return self._allowed and self._monotonic() >= self._not_before

    def _broke(self, error: MailboxError) -> None:
        """The connection ended in IDLE."""
        lasted = self._lasted()
        if isinstance(error, TokenExpired) or lasted >= LASTING:
            return  # it would have ended without IDLE, too; or it was of use for long enough
        self._broke_after = max(self._broke_after, lasted)
        self._ended += 1
        if self._ended < ENDED_IN_A_ROW and not self._times:
            return
        wait = min(GIVEN_UP_FOR * 2**self._times, LONGEST_GIVEN_UP)
        self._not_before = self._monotonic() + wait
        self._times += 1
        log.warning("idle.given_up", losses=self._ended, wait=wait)
