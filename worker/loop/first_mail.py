"""The first mail of all: before the first poll of an empty journal, says how much there is, and may ask a person.

A mailbox may hold years of mail. Without `[poll] since` all of it is handed over, and a handler that writes into
patient records writes all of it there.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.logs.log import get_logger
from worker.mailbox.folders import Layout
from worker.mailbox.session import Session
from worker.pipeline.old_mail import Backlog, backlog

log = get_logger()

MANY: Final = 1_000
"""More than so many old messages are asked about, unless the settings say since when mail is to be taken."""


class NotAgreed(Exception):
    """A person doesn't want the old mail to be handed over. Nothing was."""


class Person(Protocol):
    """Whoever started the command."""

    @property
    def decides(self) -> bool:
        """Whether they can be asked, or have decided already."""

    def hears(self, found: Backlog) -> None:
        """Tell them what is about to be handed over."""

    def agrees(self, found: Backlog) -> bool:
        """Ask whether so much is to be handed over."""


class FirstMail:
    """A chore for the first poll of an empty journal. On later runs it costs the server no command."""

    def __init__(
        self,
        messages: Messages,
        places: Places,
        layout: Layout,
        *,
        handled: str | None,
        since: datetime | None,
        chosen: bool,
        person: Person | None,
        clock: Callable[[], float],
    ) -> None:
        """handled: what the settings call the folder of handled mail, whose state another chore asks for; None: handled
        mail stays where it is. since: older mail is left alone. chosen: whether the settings say so, or that all mail
        is to be taken.

        person: None: nobody hears of it but the log. Where nobody can be asked the work goes on.
        """
        self._messages = messages
        self._places = places
        self._layout = layout
        self._handled = handled
        self._since = None if since is None else since.date()
        self._chosen = chosen
        self._person = person
        self._clock = clock
        self._is_over = False

    def do(self, session: Session) -> None:
        """Say it, and ask if need be. May leave another folder selected.

        Raises:
            NotAgreed: the answer was no.
            MailboxError
        """
        if self._is_over or self._has_begun():
            self._is_over = True
            return
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        states_of = [] if self._handled is None else [self._layout.actual(self._handled)]
        found = backlog(session, self._layout.watched, today, self._since, states_of=states_of)
        is_much = found.count > MANY and not self._chosen
        person = self._person
        is_unasked = is_much and not (person is not None and person.decides)
        if is_unasked:
            log.warning("mailbox.much_old_mail", count=found.count, since=found.begins)
        else:
            log.info("mailbox.first_mail", count=found.count, since=found.begins)
        if person is not None:
            person.hears(found)
            if is_much and not is_unasked and not person.agrees(found):
                raise NotAgreed(
                    "Nothing was handed over, and no message was touched. Set [poll] since to a date to leave older "
                    'mail alone, or to "all". `nhsmail-worker once --yes` continues without it.'
                )
        self._is_over = True

    def _has_begun(self) -> bool:
        """Whether there was a poll before."""
        return bool(self._places.last_looks()) or any(self._messages.counts().by_state.values())
