"""The whole message through mail-parser, for handlers that ask for its object."""

import logging
from typing import Any

from worker.message.mime.compose import composed
from worker.message.mime.limits import Limits, MessageOverLimit, MessageUnparsable


def parsed(raw: bytes, limits: Limits) -> Any:
    """The message as mail-parser's object. The message must have been found within the limits of structure before.

    Raises:
        MessageUnparsable: mail-parser gave up.
        MessageOverLimit: too many lines to split.
    """
    if raw.count(b"\n") + raw.count(b"\r") > limits.parsed_lines:
        raise MessageOverLimit("parsed_lines")
    import mailparser  # type: ignore[import-untyped]  # it ships no types

    _silence("mailparser")
    mailparser.utils.normalize = _normalized  # the standard library's takes quadratic time over marks without end
    try:
        return mailparser.parse_from_bytes(raw)
    except Exception as error:  # noqa: BLE001 -- broken mail makes it raise anything; ours is one documented error
        name = type(error).__name__
    raise MessageUnparsable(name)


def _normalized(_form: str, text: str) -> str:
    """In place of `unicodedata.normalize`; mail-parser asks for NFC alone."""
    return composed(text)


def _silence(logger: str) -> None:
    """Keep a library's warnings out of our logs: they quote the message."""
    found = logging.getLogger(logger)
    found.propagate = False
    if not found.handlers:
        found.addHandler(logging.NullHandler())
