"""A message described as one dictionary: the content of `message.json`, and what handlers send to other systems."""

from typing import Any

import orjson

from worker.message.attachment import Attachment
from worker.message.message import Message
from worker.message.mime.limits import only_message_errors
from worker.message.mime.signs import kind_by_headers, notices_by_headers, protection_by_headers


def describe(message: Message, *, attachments: bool = True) -> dict[str, Any]:
    """Describe the message in JSON types: `key`, `redelivery`, `sha256`, `size`, `folder`, `path`, `evidence`, …

    attachments: if False, the message isn't parsed: `attachments` is None, and `kind`, `notices` and `protection`
    come from the headers alone.

    Raises:
        MessageError: the message can't be parsed (only with `attachments`), or what it says can't be put into JSON.
    """
    if attachments:
        files = [_describe_attachment(attachment) for attachment in message.attachments]
        description = _fields(message, message.kind, message.notices, message.protection) | {"attachments": files}
    else:
        headers = message.headers
        kind, notices = kind_by_headers(headers), notices_by_headers(headers)
        description = _fields(message, kind, notices, protection_by_headers(headers)) | {"attachments": None}
    _checked_json(description)  # here, so that whatever a handler makes of it, the message is to blame
    return description


def as_json(description: dict[str, Any], *, indent: bool = False) -> bytes:
    """Return a description as JSON in UTF-8. The same message always gives the same bytes."""
    return orjson.dumps(description, option=orjson.OPT_INDENT_2 if indent else 0)


_checked_json = only_message_errors(as_json)


def _fields(message: Message, kind: str, notices: tuple[str, ...], protection: str | None) -> dict[str, Any]:
    return {
        "key": str(message.key),
        "redelivery": message.redelivery,
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
