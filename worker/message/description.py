"""What is known of a message, as one dictionary: what `message.json` holds, and what handlers tell the far end."""

from typing import Any

import orjson

from worker.message.attachment import Attachment
from worker.message.message import Message
from worker.message.mime.signs import kind_by_headers, notices_by_headers, protection_by_headers


def describe(message: Message, *, attachments: bool = True) -> dict[str, Any]:
    """The message in words that JSON has: `key`, `sha256`, `size`, `folder`, `path`, `evidence`, `received_at`, …

    attachments: False leaves the message in one piece: `attachments` is None then, and `kind`, `notices` and
    `protection` are what the headers alone tell.

    Raises:
        MessageError: it can't be taken apart (only with `attachments`).
    """
    if attachments:
        files = [_describe_attachment(attachment) for attachment in message.attachments]
        return _fields(message, message.kind, message.notices, message.protection) | {"attachments": files}
    headers = message.headers
    kind, notices = kind_by_headers(headers), notices_by_headers(headers)
    return _fields(message, kind, notices, protection_by_headers(headers)) | {"attachments": None}


def as_json(description: dict[str, Any], *, indent: bool = False) -> bytes:
    """A description as JSON, in UTF-8; the same bytes for the same message, always."""
    return orjson.dumps(description, option=orjson.OPT_INDENT_2 if indent else 0)


def _fields(message: Message, kind: str, notices: tuple[str, ...], protection: str | None) -> dict[str, Any]:
    return {
        "key": str(message.key),
        "sha256": message.sha256,
        "size": message.size,
        "folder": message.folder,
        "path": str(message.path),
        "evidence": [
            {"source": e.source, "header": e.header, "value": e.value, "reason": e.reason, "counts": e.counts}
            for e in message.evidence
        ],
        "received_at": message.received_at.isoformat(),
        "message_id": message.message_id,
        "date": message.date.isoformat() if message.date else None,
        "from": _text(message.sender),
        "to": [str(address) for address in message.to],
        "cc": [str(address) for address in message.cc],
        "subject": message.subject,
        "kind": kind,
        "notices": list(notices),
        "protection": protection,
    }


def _text(value: str | None) -> str | None:
    return None if value is None else str(value)


def _describe_attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "file": f"attachments/{attachment.safe_filename}",
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "detected_type": attachment.detected_type,
        "size": attachment.size,
        "inline": attachment.inline,
        "container": attachment.container,
    }
