"""A message's content: which part is its text, which its HTML, and what the other parts are."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from worker.message.lazy import lazy
from worker.message.mime import signs, tnef
from worker.message.mime.htmltext import text_of
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.mime.parts import Part, parse

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # the object identifier at the start of CMS signed data, in DER
_DEEPEST_TNEF = 5
_TEXTS = frozenset({"text/plain", "text/html"})
_SHORT = 20_000  # bytes
_SEARCHED = 500_000
"""Bytes at either end of a long text in which notices are looked for: the provider adds them at the top or the foot."""


class Content:
    """The leaf parts of a message: its text, its HTML, and all others."""

    def __init__(self, raw: bytes, limits: Limits) -> None:
        """Parse the message. Raises MessageUnparsable or MessageOverLimit."""
        self._limits = limits
        self.leaves = leaves = parse(raw, limits)
        """Every leaf in order."""
        self._text = next((leaf for leaf in leaves if _is_body(leaf, "text/plain")), None)
        self._html = next((leaf for leaf in leaves if _is_body(leaf, "text/html")), None)
        self.others = tuple(leaf for leaf in leaves if leaf is not self._text and leaf is not self._html)
        """Every leaf that is neither the text nor the HTML, in order."""

    def html(self) -> str | None:
        """Decode its HTML. Raises MessageOverLimit."""
        return self._whole(self._html) if self._html else None

    def text(self) -> str:
        """Decode its text, or turn its HTML into text. Raises MessageOverLimit."""
        if self._text:
            return self._whole(self._text)
        return text_of(self._whole(self._html)) if self._html else ""

    def _whole(self, part: Part) -> str:
        if part.largest > self._limits.text:
            raise MessageOverLimit("text")
        return part.text()

    @lazy
    def _plain(self) -> str:
        """The text part's text, without its middle if it is long; empty if there is only HTML."""
        return self._text.ends(_SEARCHED) if self._text else ""

    @lazy
    def _marked_up(self) -> str:
        """The HTML part's HTML, without its middle if it is long; empty if there is none."""
        return self._html.ends(_SEARCHED) if self._html else ""

    def sha256(self) -> str:
        """Return the SHA-256 of the digests of the leaves' decoded bytes: so no byte can pass to another leaf."""
        digests = b"".join(leaf.hashed(hashlib.sha256) for leaf in self.leaves)
        return hashlib.sha256(digests).hexdigest()

    def kind(self, by_headers: str) -> str:
        """Return the kind of message, from its parts if the headers leave it open."""
        if by_headers != "mail":
            return by_headers
        types = {leaf.content_type for leaf in self.others}
        if "message/disposition-notification" in types:
            return "receipt"
        if "message/delivery-status" in types:
            return "bounce"
        return "calendar" if any(_is_invitation(leaf) for leaf in self.others) else "mail"

    def protection(self) -> str | None:
        """Return the protection of the first protected part, or None."""
        found = (_protection(leaf) for leaf in self.others)
        return next((name for name in found if name), "pgp" if signs.is_pgp_text(self._plain) else None)

    def notices(self) -> tuple[str, ...]:
        """Return the provider's notices in the texts and the file names.

        Short text parts beside the first are searched as well: one may replace a removed attachment, or be a banner
        that was added before or after the content.
        """
        short = (leaf.text() for leaf in self.others if leaf.content_type in _TEXTS and leaf.largest <= _SHORT)
        texts = (self._plain, self._marked_up, *short)
        return signs.notices_in(texts, (leaf.filename or "" for leaf in self.others))

    def is_retrieval_failure(self) -> bool:
        """Whether the body is that of the placeholder for a message that Exchange couldn't convert."""
        return signs.says_retrieval_failed(self._plain or self._marked_up)

    def is_scan_stand_in(self) -> bool:
        """Whether an attachment is the placeholder for one that is still being scanned."""
        return any(signs.is_scan_name(leaf.filename or "") for leaf in self.others)


@dataclass(frozen=True, slots=True)
class File:
    """What an `Attachment` is built from: its description, and how to load its bytes."""

    load: Callable[[], bytes]
    content_type: str
    filename: str | None
    inline: bool = False
    content_id: str | None = None
    container: str | None = None


def files(content: Content, limits: Limits) -> Iterator[File]:
    """Yield every attachment in order, with each winmail.dat replaced by the files in it.

    Raises:
        MessageOverLimit: there are too many attachments, or one is too large.
    """
    room = tnef.Room(limits)
    for leaf in content.others:
        if leaf.largest > limits.attachment:
            raise MessageOverLimit("attachment")
        yield from _opened(leaf, room)


def _opened(leaf: Part, room: tnef.Room) -> list[File]:
    inline = leaf.disposition == "inline" or (leaf.disposition != "attachment" and leaf.content_id is not None)
    if _may_be_tnef(leaf):
        data = leaf.read()
        room.open(len(data))
        try:
            return list(_unpacked(data, leaf.filename or "winmail.dat", room, _DEEPEST_TNEF))
        except tnef.TnefError:
            pass
    room.take_file()
    return [File(leaf.keep, leaf.content_type, leaf.filename, inline, leaf.content_id)]


def _unpacked(data: bytes | memoryview, container: str, room: tnef.Room, depth: int) -> Iterator[File]:
    """Yield the files in a winmail.dat, including those of messages embedded in it, which are TNEF as well."""
    for file in tnef.read(data, room):
        if depth and tnef.is_tnef(file.data):
            room.give_back_file()
            try:
                yield from list(_unpacked(file.data, container, room, depth - 1))
                continue
            except tnef.TnefError:
                room.take_file()
        room.take(len(file.data))
        content_type = file.content_type or "application/octet-stream"
        yield File(
            partial(bytes, file.data), content_type, file.name or None, False, file.content_id or None, container
        )


def _may_be_tnef(leaf: Part) -> bool:
    return leaf.content_type in ("application/ms-tnef", "application/vnd.ms-tnef") or (
        (leaf.filename or "").lower() == "winmail.dat"
    )


def _is_body(leaf: Part, content_type: str) -> bool:
    return leaf.content_type == content_type and leaf.disposition != "attachment" and leaf.filename is None


def _is_invitation(leaf: Part) -> bool:
    """Whether the part declares a method, as invitations do (RFC 6047); a calendar file merely attached doesn't."""
    return (
        leaf.content_type == "text/calendar"
        and leaf.disposition != "attachment"
        and bool(leaf.node.parameter("method"))
    )


def _protection(leaf: Part) -> str | None:
    found = signs.protection_of_type(leaf.node.header("content-type"), leaf.filename)
    if found == "smime-encrypted" and _SIGNED_DATA in leaf.read()[:64]:
        return "smime-signed"
    return found
