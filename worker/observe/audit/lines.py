"""The lines of the trail: their form, and the keyed hash that chains each to the one before.

A line is `{"n":1,…,"mac":"64 digits"}` and a newline. The hash covers every byte before `,"mac"`.

Whoever can read the files sees the `mac` of each line. So a `mac` by itself vouches for nothing: what says how far a
chain had come carries a hash of its own, which is in no line (`head_seal`).
"""

import hashlib
import hmac
import re

import orjson

from worker.journal.audit_anchors import Anchor, Head

MAC_LENGTH = 64
TAIL = b'"}\n'
MARK = b',"mac":"'
_END = len(MARK) + MAC_LENGTH + len(TAIL)
LONGEST_LINE = 16 * 1024
_HIGHEST = 10**15  # below what JSON can hold, so that the next number can be written


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
    return body if type(number) is int and 0 < number < _HIGHEST else None


def number_of(body: bytes) -> int:
    return int(orjson.loads(body + b"}")["n"])


def mac_of(line: bytes) -> str:
    return line[-_END + len(MARK) : -len(TAIL)].decode()


def chained_mac(key: bytes, before: str, body: bytes) -> str:
    return hmac.new(key, b"line\0" + before.encode() + b"\0" + body, hashlib.sha256).hexdigest()


def genesis(key: bytes, chain: str) -> str:
    """Stands for the hash before the first line. With the chain's name in it, no chain passes for another."""
    return hmac.new(key, b"chain\0" + chain.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def head_seal(key: bytes, chain: str, head: Head) -> str:
    """The keyed hash that makes a head one of ours."""
    text = f"head\0{chain}\0{head.count}\0{head.mac}"
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def is_ours(key: bytes, chain: str, anchor: Anchor) -> bool:
    """Whether the head was sealed with the key."""
    return hmac.compare_digest(head_seal(key, chain, anchor.head).encode(), anchor.seal.encode("utf-8", "replace"))
