"""Which routes take a message, as far as its headers tell: `find` reads no content."""

from collections.abc import Sequence

from worker.handling.routing.conditions import Attached, Named
from worker.handling.routing.router import Router
from worker.message.message import Message
from worker.message.mime.addresses import Address
from worker.message.mime.limits import MessageUnparsable
from worker.message.verdict import Evidence, MailPath


class RoutesByHeader:
    """Asks the router with the headers alone."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def of(self, header: Message, size: int) -> tuple[str, ...] | None:
        """The routes by today's rules; None: a rule has to read the content. size: the whole message's, in bytes."""
        rules = self._router.explain(_HeaderAlone(header, size))
        return tuple(rule.route for rule in rules if rule.takes) or None


class _HeaderAlone:
    """A message of which only the headers were fetched. Its content can't be told, so it isn't taken for empty."""

    def __init__(self, header: Message, size: int) -> None:
        self._header = header
        self.size = size

    @property
    def path(self) -> MailPath:
        return self._header.path

    @property
    def evidence(self) -> Sequence[Evidence]:
        return self._header.evidence

    @property
    def headers(self) -> Named:
        return self._header.headers

    @property
    def sender(self) -> str | None:
        return self._header.sender

    @property
    def to(self) -> Sequence[Address]:
        return self._header.to

    @property
    def cc(self) -> Sequence[Address]:
        return self._header.cc

    @property
    def kind(self) -> str:
        raise MessageUnparsable

    @property
    def protection(self) -> str | None:
        raise MessageUnparsable

    @property
    def notices(self) -> Sequence[str]:
        raise MessageUnparsable

    @property
    def attachments(self) -> Sequence[Attached]:
        raise MessageUnparsable
