"""The lines of the trail: their form, and the keyed hash that chains each to the one before.

A line is `{"n":1,…,"mac":"64 digits"}` and a newline. The hash covers every byte before `,"mac"`.
"""

import hashlib
import hmac
import re

import orjson

MAC_LENGTH = 64
TAIL = b'"}\n'
MARK = b',"mac":"'
_END = len(MARK) + MAC_LENGTH + len(TAIL)
LONGEST_LINE = 16 * 1024


def sealed_part(line: bytes) -> bytes | None:
    """The part that the hash covers; None if this isn't a line of the trail."""
    if len(line) <= _END or not line.endswith(TAIL) or line[-_END : -_END + len(MARK)] != MARK:
        return None
    if not re.fullmatch(rb"[0-9a-f]{64}", line[-_END + len(MARK) : -len(TAIL)]):
        return None
    body = line[:-_END]
    try:
        number = orjson.loads(body + b"}")["n"]
    except (ValueError, TypeError, KeyError):
        return None
    return body if isinstance(number, int) else None


def number_of(body: bytes) -> int:
    return int(orjson.loads(body + b"}")["n"])


def mac_of(line: bytes) -> str:
    return line[-_END + len(MARK) : -len(TAIL)].decode()


def chained_mac(key: bytes, before: str, body: bytes) -> str:
    return hmac.new(key, b"line\0" + before.encode() + b"\0" + body, hashlib.sha256).hexdigest()


def genesis(key: bytes, chain: str) -> str:
    """Stands for the hash before the first line. With the chain's name in it, no chain passes for another."""
    return hmac.new(key, b"chain\0" + chain.encode(), hashlib.sha256).hexdigest()
