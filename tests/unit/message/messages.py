"""Messages for the tests of this room, and everything that can be asked of one."""

import inspect
import io
import re
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

import orjson

from worker import Attachment, as_json, describe
from worker.message.key import MessageKey
from worker.message.message import Message
from worker.message.message_log import MessageLog
from worker.message.mime.addresses import Address
from worker.message.mime.headers import Headers
from worker.message.mime.limits import MessageError
from worker.message.verdict import Evidence, MailPath, Verdict

RECEIVED_AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


JUNK = Verdict(MailPath.JUNK, (Evidence("placement", None, "Junk Email", "it lies there", True),))


def message(raw: bytes | str, **changes: object) -> Message:
    data = raw.encode().replace(b"\n", b"\r\n") if isinstance(raw, str) else raw
    arguments: dict[str, object] = {"folder": "INBOX", "received_at": RECEIVED_AT, "verdict": JUNK} | changes
    return Message(data, key=MessageKey("k" * 26), **arguments)  # type: ignore[arg-type]  # what a test changes


def multipart(*parts: str, kind: str = "mixed", headers: str = "") -> Message:
    body = "".join(f"--b\n{part}\n" for part in parts)
    return message(f"{headers}Content-Type: multipart/{kind}; boundary=b\n\n{body}--b--\n")


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTENT = frozenset({"attachments", "content_sha256", "has_content_of", "html", "parsed", "text"})
"""What of a message may raise a `MessageError`."""


def use(seen: Message, depth: int = 3) -> None:
    """Ask for everything that there is, and check that each text in it can be encoded as UTF-8.

    Everything: what is public, also what is added later. Only a `MessageError` may be raised, and only by the content.
    """
    for name, value in answers(seen).items():
        if name != "parsed":  # mail-parser's own
            check(name, value, depth)
    assert_plain(orjson.loads(as_json(describe(seen, attachments=False))))
    with suppress(MessageError):
        assert_plain(orjson.loads(as_json(describe(seen))))


def assert_plain(described: Any) -> None:
    """Check that no text of a description has control characters, which databases and terminals don't take."""
    match described:
        case str():
            assert _CONTROL.search(described) is None, described
        case dict():
            assert_plain([*described.values()])
        case list():
            for item in described:
                assert_plain(item)


def answers(seen: Message | Attachment) -> dict[str, object]:
    """What each public attribute of it says, and each public method, where no `MessageError` is raised."""
    found: dict[str, object] = {}
    for name in dir(seen):
        if not name.startswith("_"):
            try:
                value = getattr(seen, name)
                arguments = [seen.raw] if name == "has_content_of" and isinstance(seen, Message) else []
                found[name] = value(*arguments) if inspect.ismethod(value) else value
            except MessageError:
                assert not isinstance(seen, Message) or name in _CONTENT, name
    return found


def check(name: str, value: object, depth: int) -> None:
    """Check every text in a value."""
    match value:
        case Address():
            value.name.encode("utf-8")
            value.encode("utf-8")
        case str():
            value.encode("utf-8")
        case Headers():
            check(name, [*value], depth)
            check(name, value[:], depth)
            for header in {header.lower() for header, _ in value}:
                check(name, [value.get(header), *value.get_all(header)], depth)
                assert all(sent.encode("ascii", "surrogateescape") for sent in value.raw(header) if sent)
        case tuple() | list():
            for item in value:
                check(name, item, depth)
        case Evidence():
            check(name, astuple(value), depth)
        case datetime():
            assert datetime.fromisoformat(value.isoformat()) == value
        case Attachment():
            for attribute, answer in answers(value).items():
                check(attribute, answer, depth)
        case Message():
            if depth:
                use(value, depth - 1)
        case MessageLog():
            pass  # it holds nothing of the message
        case None | bool() | int() | bytes() | io.BytesIO():
            pass
        case _:
            raise AssertionError(f"{name}: how a {type(value).__name__} is checked isn't said here")
