"""Parsing with mail-parser, for handlers that ask for its object."""

import logging
from typing import Any

from worker.message.mime.compose import composed
from worker.message.mime.limits import Limits, MessageOverLimit, only_message_errors


@only_message_errors
def parsed(raw: bytes, limits: Limits) -> Any:
    """Return the message as mail-parser's object. The caller must have checked the limits on its structure.

    Raises:
        MessageUnparsable: mail-parser failed.
        MessageOverLimit: the message has too many lines.
    """
    if raw.count(b"\n") + raw.count(b"\r") > limits.parsed_lines:
        raise MessageOverLimit("parsed_lines")
    import mailparser  # type: ignore[import-untyped]  # it ships no types

    _silence("mailparser")
    # The standard library's function takes quadratic time for long runs of combining marks.
    mailparser.utils.normalize = _normalized
    return mailparser.parse_from_bytes(raw)


def _normalized(_form: str, text: str) -> str:
    """Replace `unicodedata.normalize` in mail-parser, which only asks for NFC."""
    return composed(text)


def _silence(logger: str) -> None:
    """Keep a library's warnings out of our logs, because they quote the message."""
    found = logging.getLogger(logger)
    found.propagate = False
    if not found.handlers:
        found.addHandler(logging.NullHandler())
