"""Messages for the tests of this room, and everything that can be asked of one."""

from datetime import UTC, datetime

from worker.message.key import MessageKey
from worker.message.message import Message
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


def use(seen: Message, depth: int = 3) -> None:
    """Ask for everything that there is."""
    for name in ("headers", "message_id", "subject", "sender", "to", "cc", "date", "sha256", "size", "kind", "notices",
                 "protection", "stand_in"):  # fmt: skip
        getattr(seen, name)
    for name in ("text", "html", "parsed"):
        try:
            value = getattr(seen, name)
        except MessageError:
            continue
        if isinstance(value, str):
            value.encode("utf-8")
    try:
        attachments = seen.attachments
    except MessageError:
        return
    for attachment in attachments:
        (attachment.filename or "").encode("utf-8")
        _ = (attachment.size, attachment.detected_type, attachment.mismatched)
        inner = attachment.message()
        if inner is not None and depth:
            use(inner, depth - 1)
