"""Sets of UIDs in the notation of the protocol (RFC 3501, `sequence-set`)."""

import hashlib
from collections.abc import Iterable, Iterator

MAX_COMMAND_UIDS = 500
"""UIDs that one command may name. Exchange answers `BAD Too long argument` to very long sets."""
LARGEST_UID = 2**32 - 1
"""RFC 3501, `nz-number`. Servers refuse a command that names another number, 0 as well."""


def compress(uids: Iterable[int]) -> str:
    """Write `[1, 2, 3, 7]` as `1:3,7`."""
    parts: list[str] = []
    first = last = None
    for uid in sorted(uids):
        if last is not None and uid <= last + 1:
            last = uid
            continue
        if first is not None:
            parts.append(_span(first, last))
        first = last = uid
    if first is not None:
        parts.append(_span(first, last))
    return ",".join(parts)


def checksum(uids: Iterable[int]) -> str:
    """A short hash that identifies exactly this set of UIDs."""
    return hashlib.sha256(compress(uids).encode()).hexdigest()[:32]


def is_number(value: int) -> bool:
    """Whether this can be a UID, or a UIDVALIDITY."""
    return 1 <= value <= LARGEST_UID


def expand(text: str, *, limit: int = 1_000_000) -> list[int]:
    """Read `1:3,7` as `[1, 2, 3, 7]`. Keeps the order, because COPYUID pairs its two sets by position (RFC 4315).

    Raises:
        ValueError: the text isn't a UID set, or names more than `limit` UIDs.
    """
    uids: list[int] = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        first, last = int(low), int(high) if colon else int(low)
        if not (is_number(first) and is_number(last)):
            raise ValueError("not a UID")
        if abs(last - first) + len(uids) >= limit:
            raise ValueError("UID set too large")
        step = 1 if last >= first else -1
        uids.extend(range(first, last + step, step))
    return uids


def chunks(uids: Iterable[int], size: int = MAX_COMMAND_UIDS) -> Iterator[list[int]]:
    """Yield the UIDs in ascending order, at most `size` at a time."""
    ordered = sorted(uids)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _span(first: int, last: int | None) -> str:
    return str(first) if first == last else f"{first}:{last}"
