"""What a handler sees of a message: `Message`, its `Attachment`s, and the errors that they may raise.

Everything is calculated on first use. Headers, key and bytes are always available; `text`, `html`, `attachments` and
`parsed` parse the message, and raise a `MessageError` if it can't be parsed. Nothing raises anything else.

Every text can be encoded as UTF-8, whatever the sender wrote. Only `headers.raw` keeps the bytes as they were, and
`parsed` has mail-parser's own texts. Subject, addresses, file names and types have no control characters; `text` and
`html` may have any.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from worker.message.attachment import MESSAGE_TYPES, Attachment, Unchanging
from worker.message.key import MessageKey
from worker.message.lazy import lazy
from worker.message.message_log import MessageLog
from worker.message.mime import signs
from worker.message.mime.addresses import Address, addresses, date_of
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits, MessageError, MessageOverLimit, only_message_errors
from worker.message.mime.signs import kind_by_headers, notices_by_headers, protection_by_headers
from worker.message.text import ContentStr
from worker.message.verdict import Evidence, MailPath, Verdict

if TYPE_CHECKING:
    from worker.message.mime.content import Content

T = TypeVar("T")


class Message(Unchanging):
    """One message as handlers see it. It can't be changed, and gives no access to the mailbox."""

    def __init__(
        self,
        raw: bytes,
        *,
        key: MessageKey | str,
        folder: str,
        received_at: datetime,
        verdict: Verdict,
        headers: Headers | None = None,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        log: MessageLog | None = None,
        redelivery: int = 0,
    ) -> None:
        self._raw = raw
        self._limits = limits
        if headers is not None:
            self.__dict__["headers"] = headers
        self.key: MessageKey = MessageKey(key)
        """The idempotency key, a string: 26 lower-case letters and digits. A message with the same headers as another
        has `-2`, `-3` at its end. The same message always has the same key. Pass it on with the message."""
        self.redelivery: int = redelivery
        """How often a person had the message handled again after it was done: 0 at first, then 1, 2 and so on."""
        self.path: MailPath = verdict.path
        """The path that the message takes: `clean` or `junk`, a string."""
        self.evidence: tuple[Evidence, ...] = verdict.evidence
        """The evidence for and against junk, in the order in which it was read."""
        self.folder: str = folder
        """The name of the mailbox's folder in which the message was found."""
        self.received_at: datetime = received_at
        """When the mail server received it, with a time zone."""
        self.log: MessageLog = log or MessageLog()
        """Writes a line about the message into the worker's log: `message.log("report.filed", pages=3)`.

        The event and every word are literals of the calling function; the rest are numbers. See `MessageLog`.
        """
        self._made()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the bytes and what they don't contain; everything else is recalculated after unpickling."""
        verdict = Verdict(self.path, self.evidence)
        return _again, (
            *(self._raw, self.key, self.folder, self.received_at, verdict, self._limits),
            self.redelivery,
        )

    def __repr__(self) -> str:
        return f"<Message {self.key}>"  # never the content: a repr ends in logs

    # The message as a whole

    @property
    def delivery_key(self) -> str:
        """The idempotency key of this delivery: the key, or `KEY.1`, `KEY.2` where a person had it handled again.

        It stays the same when the worker tries again by itself.
        """
        return f"{self.key}.{self.redelivery}" if self.redelivery else str(self.key)

    @property
    def raw(self) -> bytes:
        """The message's bytes, exactly as fetched."""
        return self._raw

    def open(self) -> BinaryIO:
        """Return the message's bytes as a binary file."""
        return io.BytesIO(self._raw)

    @property
    def size(self) -> int:
        """Its size as fetched, in bytes."""
        return len(self._raw)

    @lazy
    def sha256(self) -> str:
        """The SHA-256 of its bytes: 64 hexadecimal digits, in lower case."""
        return hashlib.sha256(self._raw).hexdigest()

    # Headers: these never raise

    @lazy
    def headers(self) -> Headers:
        """Its headers, in order."""
        return Headers.from_bytes(self._raw)

    @property
    def message_id(self) -> str | None:
        """The Message-ID header as sent, with its angle brackets; None if there is none."""
        return self.headers.get("Message-ID")

    @property
    def subject(self) -> str:
        """The decoded subject; empty if there is none."""
        return self.headers.get("Subject") or ContentStr()

    @lazy
    def sender(self) -> Address | None:
        """The claimed sender: the first address of From, or else of Sender; None if there is none.

        A string with an attribute `name`.
        """
        return next(iter(self._addresses("From") or self._addresses("Sender")), None)

    @lazy
    def to(self) -> tuple[Address, ...]:
        """The addresses in To, in order; empty if there are none."""
        return self._addresses("To")

    @lazy
    def cc(self) -> tuple[Address, ...]:
        """The addresses in Cc, in order; empty if there are none."""
        return self._addresses("Cc")

    @lazy
    def date(self) -> datetime | None:
        """The Date header in the sender's time zone; None if it is missing or invalid."""
        return date_of(self.headers.raw("Date"))

    def _addresses(self, name: str) -> tuple[Address, ...]:
        return addresses(self.headers.raw(name))

    # Content: these parse the message, and may raise a MessageError

    @lazy
    @only_message_errors
    def _content(self) -> "Content":
        from worker.message.mime.content import Content

        if (limit := self.headers.over_limit) is not None:  # it was set above what is ever read
            raise MessageOverLimit(limit)
        return Content(self._raw, self._limits)

    @lazy
    @only_message_errors
    def content_sha256(self) -> str:
        """The SHA-256 of its content, of the decoded bytes of its parts in order: 64 hexadecimal digits.

        Unlike `sha256` it stays the same if the server sends the same message with other headers, boundaries or
        encodings. Raises: MessageUnparsable, MessageOverLimit.
        """
        return self._content.sha256()

    def has_content_of(self, raw: bytes) -> bool:
        """Whether another message's bytes have the same content, whatever their headers, boundaries and encodings.

        If one of the two can't be parsed, only the same bytes have.
        """
        if raw == self._raw:
            return True
        verdict = Verdict(self.path, self.evidence)
        other = Message(
            raw, key=self.key, folder=self.folder, received_at=self.received_at, verdict=verdict, limits=self._limits
        )
        try:
            return other.content_sha256 == self.content_sha256
        except MessageError:
            return False

    @lazy
    @only_message_errors
    def text(self) -> str:
        """Its text: the first text/plain part that isn't an attachment, or else its HTML as text, or else empty.

        Line endings are the sender's. Raises: MessageUnparsable, MessageOverLimit.
        """
        return ContentStr(self._content.text())

    @lazy
    @only_message_errors
    def html(self) -> str | None:
        """Its HTML as sent, not sanitised: the first text/html part that isn't an attachment, or None.

        Raises: MessageUnparsable, MessageOverLimit.
        """
        html = self._content.html()
        return None if html is None else ContentStr(html)

    @lazy
    @only_message_errors
    def attachments(self) -> tuple[Attachment, ...]:
        """Every part other than `text` and `html`, each once and in order.

        This includes further text parts, inline images, invitations (text/calendar), signatures and attached messages.
        A winmail.dat is replaced by the files in it; one that can't be opened is listed as it is.
        Raises: MessageUnparsable, MessageOverLimit.
        """
        from worker.message.mime.content import files
        from worker.message.mime.names import Names

        names = Names()
        return tuple(
            Attachment(
                file.load,
                content_type=file.content_type,
                filename=file.filename,
                safe_filename=names.safe(file.filename, file.content_type),
                inline=file.inline,
                content_id=file.content_id,
                container=file.container,
                unwrap=self._attached if file.content_type in MESSAGE_TYPES else None,
            )
            for file in files(self._content, self._limits)
        )

    def _attached(self, raw: bytes) -> "Message":
        verdict = Verdict(self.path, self.evidence)
        if self._limits.depth < 1:
            raise MessageOverLimit("depth")
        limits = replace(self._limits, depth=self._limits.depth - 1)
        return Message(
            raw,
            key=self.key,
            folder=self.folder,
            received_at=self.received_at,
            verdict=verdict,
            limits=limits,
            log=self.log,
            redelivery=self.redelivery,
        )

    @lazy
    @only_message_errors
    def parsed(self) -> Any:
        """The message as a `mailparser.MailParser`. Slow, and memory-hungry for large messages.

        Raises: MessageUnparsable, MessageOverLimit.
        """
        from worker.message.mime.whole import parsed

        _ = self._content  # raises if the structure exceeds a limit
        return parsed(self._raw, self._limits)

    # Characteristics: these never raise

    @lazy
    def kind(self) -> str:
        """`mail`, `auto-reply`, `bounce`, `receipt` or `calendar`; from the headers alone if it can't be parsed."""
        return self._by_content(kind_by_headers(self.headers), lambda kind: self._content.kind(kind))

    @lazy
    def protection(self) -> str | None:
        """`smime-encrypted`, `smime-signed`, `rpmsg`, `pgp` or None; from the headers alone if it can't be parsed."""
        return self._by_content(protection_by_headers(self.headers), lambda found: self._content.protection() or found)

    @lazy
    def notices(self) -> tuple[str, ...]:
        """What the provider removed or changed, according to its notices; from the subject alone if it can't be parsed.

        `attachment-removed`, `external-sender`, `impersonation-warning`, `unsafe-attachment-blocked`, `malware-alert`,
        `atp-scan-in-progress`.
        """
        found = notices_by_headers(self.headers)
        return self._by_content(found, lambda found: tuple(dict.fromkeys((*found, *self._content.notices()))))

    @lazy
    def stand_in(self) -> str | None:
        """The kind of placeholder that the server shows instead of the message; None for a message.

        `retrieval-failed` or `atp-scan`. A placeholder isn't the message, and is never given to handlers.
        """
        if signs.is_retrieval_stand_in(self.headers):
            failed = self._by_content(True, lambda _: self._content.is_retrieval_failure())
            return "retrieval-failed" if failed else None
        # The names first: to search all bytes takes longer than to find the parts, which the mark needs in any case.
        scanning = self._by_content(False, lambda _: self._content.is_scan_stand_in())
        return "atp-scan" if scanning and signs.may_be_scan_stand_in(self._raw) else None

    def _by_content(self, by_headers: T, look: Callable[[T], T]) -> T:
        """Return what the content says, or what the headers say if the content can't be parsed."""
        try:
            return _looked(look, by_headers)
        except MessageError:
            return by_headers


@only_message_errors
def _looked(look: Callable[[T], T], by_headers: T) -> T:
    return look(by_headers)


def _again(
    raw: bytes, key: str, folder: str, received_at: datetime, verdict: Verdict, limits: Limits, redelivery: int
) -> Message:
    return Message(
        raw, key=key, folder=folder, received_at=received_at, verdict=verdict, limits=limits, redelivery=redelivery
    )
