"""Which messages a route takes. The journal doesn't hold that, so the present rules are asked about each message."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from worker.commands.wiring.from_settings import limits_of, router_of
from worker.handling.routing.conditions import Attached, Named
from worker.handling.routing.router import JUNK_ROUTE
from worker.journal.records import Record
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused, ProtocolFault
from worker.mailbox.folder_opening import select_if_there
from worker.mailbox.session import Head, Session
from worker.message.message import Message
from worker.message.mime.limits import MessageError
from worker.message.verdict import Evidence, MailPath
from worker.settings import Settings


class TakenBy:
    """Asks the rules of the configuration which route takes a message as it lies in the mailbox."""

    def __init__(self, settings: Settings, route: str) -> None:
        self.routes = (*(each.name for each in settings.routes), JUNK_ROUTE)
        """The names of all routes; the junk path is one."""
        self._route = route
        self._router = router_of(settings)
        self._limits = limits_of(settings)

    def of(self, session: Session, records: Sequence[Record]) -> list[Record]:
        """Those that the route takes, in the order given. What the mailbox doesn't show, no route takes.

        Headers are fetched for all of them. A whole message is fetched only if a rule depends on more than its headers.

        Raises:
            CommandRefused, FolderBusy: a folder isn't opened now, so nobody knows what of it the route takes.
        """
        junk = {record.id for record in records if record.verdict.path is MailPath.JUNK}
        if self._route == JUNK_ROUTE:
            return [record for record in records if record.id in junk]
        taken: set[int] = set()
        clean = [record for record in records if record.id not in junk]
        for folder in dict.fromkeys(record.place.folder for record in clean):
            state = select_if_there(session, folder)
            if state is None:
                continue
            here: dict[int, Record] = {
                uid: record
                for record in clean
                if record.place.folder == folder and (uid := record.place.uid_in(state)) is not None
            }
            with suppress(CommandRefused):
                heads = list(shown_heads(session, list(here)))
                taken |= {here[head.uid].id for head in heads if self._takes(session, head, here[head.uid])}
        return [record for record in records if record.id in taken]

    def _takes(self, session: Session, head: Head, record: Record) -> bool:
        message = self._message(head.header, record)
        try:
            return self._route in self._router.route(_Headers(message, head.size)).routes
        except _PartsNeeded:
            return self._takes_whole(session, head, record)
        except MessageError:
            return False

    def _takes_whole(self, session: Session, head: Head, record: Record) -> bool:
        with suppress(CommandRefused, ProtocolFault, MessageError):
            for body in session.bodies([head.uid], cap=self._limits.message, expected=head.size):
                return body.complete and self._route in self._router.route(self._message(body.raw, record)).routes
        return False

    def _message(self, raw: bytes, record: Record) -> Message:
        return Message(
            raw,
            key=record.key,
            folder=record.place.folder,
            received_at=datetime.fromtimestamp(record.received_at, UTC),
            verdict=record.verdict,
            limits=self._limits,
        )


class _PartsNeeded(MessageError):
    """A rule depends on more than the headers."""


class _Headers:
    """What rules read of a message whose headers alone were fetched."""

    def __init__(self, message: Message, size: int) -> None:
        self._message = message
        self.size = size

    @property
    def path(self) -> MailPath:
        return self._message.path

    @property
    def evidence(self) -> Sequence[Evidence]:
        return self._message.evidence

    @property
    def headers(self) -> Named:
        return self._message.headers

    @property
    def sender(self) -> str | None:
        return self._message.sender

    @property
    def to(self) -> Sequence[str]:
        return self._message.to

    @property
    def cc(self) -> Sequence[str]:
        return self._message.cc

    @property
    def kind(self) -> str:
        raise _PartsNeeded

    @property
    def protection(self) -> str | None:
        raise _PartsNeeded

    @property
    def notices(self) -> Sequence[str]:
        raise _PartsNeeded

    @property
    def attachments(self) -> Sequence[Attached]:
        raise _PartsNeeded
