"""A message in a file, as the worker would see it in the mailbox."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from worker.classify import classify
from worker.commands.wiring.from_settings import classify_of, limits_of
from worker.mailbox.folder_names import named_junk
from worker.message.key import fingerprint
from worker.message.message import Message
from worker.message.mime.addresses import date_of
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.settings import Settings
from worker.testing import ACCOUNT


@dataclass(frozen=True, slots=True)
class MessageFromFile:
    """The message, and what had to be assumed.

    account: whose mailbox the key is for; None: there is no configuration, so the key isn't the one in the mailbox.
    received_from: what the time of arrival was read from. folder_given: whether a person named the folder.
    line_ends: whether the file's line ends were changed to those that mail servers send.
    """

    message: Message
    account: str | None
    received_from: str
    folder_given: bool
    line_ends: bool


class NotAMessage(Exception):
    """The file isn't a message as mail programs save it. The text is for the user."""


def read_message(path: Path, settings: Settings | None = None, folder: str | None = None) -> MessageFromFile:
    """Read a message from a file, as the worker would see it in a folder of the mailbox.

    settings: whose key it is, and how to classify and limit it; None uses the defaults. folder: None is the first
    watched folder.

    Raises:
        NotAMessage: the file isn't a message.
        OSError: the file can't be read.
    """
    found = path.read_bytes()
    _require_message(path, found)
    raw = found if b"\r\n" in found else found.replace(b"\n", b"\r\n")
    headers = Headers.from_bytes(raw)
    place, limits, account = folder or "INBOX", Limits(), None
    if settings is None:
        verdict = classify(headers, in_junk_folder=False)
    else:
        place, limits, account = folder or settings.poll.folders[0], limits_of(settings), settings.account.address
        verdict = classify_of(settings)(headers, named_junk(place, settings.junk.folder), frozenset())
    received_at, received_from = _received(headers, path)
    message = Message(
        raw,
        key=fingerprint(account or ACCOUNT, headers),
        folder=place,
        received_at=received_at,
        verdict=verdict,
        headers=headers,
        limits=limits,
    )
    return MessageFromFile(message, account, received_from, folder is not None, raw != found)


def _received(headers: Headers, path: Path) -> tuple[datetime, str]:
    """When the mailbox most likely received the message, and what says so."""
    (top, *_) = headers.raw("Received") or [""]
    if (at := date_of([top.rpartition(";")[2]])) is not None:
        return at.astimezone(UTC), "its topmost Received header"
    if (at := date_of(headers.raw("Date"))) is not None:
        return at.astimezone(UTC), "its Date header"
    return datetime.fromtimestamp(path.stat().st_mtime, UTC), "the time of the file"


_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def _require_message(path: Path, raw: bytes) -> None:
    """Raise NotAMessage if the file isn't one. People try Outlook's .msg files first, so those get their own text."""
    if raw.startswith(_OLE):
        raise NotAMessage(
            f"{path} is in Outlook's own format (.msg). Save the message as .eml in Outlook, and give that file."
        )
    if not Headers.from_bytes(raw):
        raise NotAMessage(f"{path} has no headers, so it isn't a message. Save one as .eml in a mail program.")
