"""A message's content: which part is its text, which its HTML, and what all the others are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from worker.message.lazy import lazy
from worker.message.mime import signs, tnef
from worker.message.mime.htmltext import text_of
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.mime.parts import Part, parse

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # the object identifier at the start of CMS signed data
_DEEPEST_TNEF = 5
_TEXTS = frozenset({"text/plain", "text/html"})
_SHORT = 20_000  # bytes


class Content:
    """The leaves of a message: its text part, its HTML part, and the rest."""

    def __init__(self, raw: bytes, limits: Limits) -> None:
        """Raises MessageUnparsable or MessageOverLimit."""
        leaves = parse(raw, limits)
        self._text = next((leaf for leaf in leaves if _is_body(leaf, "text/plain")), None)
        self._html = next((leaf for leaf in leaves if _is_body(leaf, "text/html")), None)
        self.others = tuple(leaf for leaf in leaves if leaf is not self._text and leaf is not self._html)
        """Every leaf that is neither, in order."""

    @lazy
    def html(self) -> str | None:
        return self._html.text() if self._html else None

    @lazy
    def plain(self) -> str:
        """The text part's text; nothing where there is only HTML."""
        return self._text.text() if self._text else ""

    @lazy
    def text(self) -> str:
        return self.plain if self._text or not self.html else text_of(self.html)

    def kind(self, by_headers: str) -> str:
        """The kind of message, where its headers leave it open."""
        if by_headers != "mail":
            return by_headers
        types = {leaf.content_type for leaf in self.others}
        if "message/disposition-notification" in types:
            return "receipt"
        if "message/delivery-status" in types:
            return "bounce"
        return "calendar" if any(_is_invitation(leaf) for leaf in self.others) else "mail"

    def protection(self) -> str | None:
        """The first protection among the parts."""
        found = (_protection(leaf) for leaf in self.others)
        return next((name for name in found if name), "pgp" if signs.is_pgp_text(self.plain) else None)

    def notices(self) -> tuple[str, ...]:
        """The provider's notices in the texts and the file names.

        Among the texts are the short ones beside the first: the text that stands where an attachment was, or a banner
        that was put before or after everything.
        """
        short = (leaf.text() for leaf in self.others if leaf.content_type in _TEXTS and leaf.largest <= _SHORT)
        texts = (self.plain, self.html or "", *short)
        return signs.notices_in(texts, (leaf.filename or "" for leaf in self.others))

    def is_retrieval_failure(self) -> bool:
        """Whether the body is that of a stand-in for a message that Exchange couldn't convert."""
        return signs.says_retrieval_failed(self.plain or self.html or "")

    def is_scan_stand_in(self) -> bool:
        """Whether an attachment is the stand-in for one that is still being scanned."""
        return any(signs.is_scan_name(leaf.filename or "") for leaf in self.others)


@dataclass(frozen=True, slots=True)
class File:
    """One attachment to be: what is known of it, and how to get its bytes."""

    load: Callable[[], bytes]
    content_type: str
    filename: str | None
    inline: bool = False
    content_id: str | None = None
    container: str | None = None


def files(content: Content, limits: Limits) -> Iterator[File]:
    """Every attachment, in order; a winmail.dat opened into its files.

    Raises:
        MessageOverLimit: too many of them, or one too large.
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
    return [File(leaf.read, leaf.content_type, leaf.filename, inline, leaf.content_id)]


def _unpacked(data: bytes, container: str, room: tnef.Room, depth: int) -> Iterator[File]:
    """The files in a winmail.dat; a message embedded in it is TNEF again, and opened likewise."""
    for file in tnef.read(data, room):
        if depth and file.data.startswith(tnef.SIGNATURE):
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
    """RFC 6047: an invitation says its method; a calendar file that was merely attached doesn't."""
    return (
        leaf.content_type == "text/calendar"
        and leaf.disposition != "attachment"
        and bool(leaf.node.parameter("method"))
    )


def _protection(leaf: Part) -> str | None:
    found = signs.protection_of_type(str(leaf.node.get("content-type", "")), leaf.filename)
    if found == "smime-encrypted" and _SIGNED_DATA in leaf.read()[:64]:
        return "smime-signed"
    return found
