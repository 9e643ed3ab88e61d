"""What is understood of the answers to GETQUOTAROOT: all that RFC 9208 allows, and of odd ones nothing wrong."""

from collections.abc import Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox.quota import MOST, UNIT, SizeCommands, Storage, storage_of

NAMES = st.sampled_from([b'""', b"user", b'"User quota"', b'"a (STORAGE 1 2) b"', rb'"q\"(STORAGE 9 9)"', b"INBOX"])
OTHERS = st.sampled_from([b"MESSAGE", b"MAILBOX", b"ANNOTATION-STORAGE", b"X-NUM-FOLDERS"])
AMOUNTS = st.integers(0, MOST // UNIT)


@st.composite
def roots(draw: st.DrawFn) -> tuple[object, Storage | None]:
    """An answer as imaplib gives it, and what it tells of storage."""
    resources = [(draw(OTHERS), draw(AMOUNTS), draw(AMOUNTS)) for _ in range(draw(st.integers(0, 3)))]
    told = None
    if draw(st.booleans()):
        used, limit = draw(AMOUNTS), draw(st.one_of(st.just(0), AMOUNTS))
        name = draw(st.sampled_from([b"STORAGE", b"storage", b"Storage"]))
        resources.insert(draw(st.integers(0, len(resources))), (name, used, limit))
        told = Storage(used * UNIT, limit * UNIT or None)
    listed = b"(" + b" ".join(b"%s %d %d" % one for one in resources) + b")"
    if draw(st.booleans()):
        literal = draw(st.sampled_from([b"root", b"a) (STORAGE 7 7)", b""]))
        return [(b"{%d}" % len(literal), literal), b" " + listed], told
    return [draw(NAMES) + b" " + listed], told


@given(st.lists(roots(), max_size=5))
def test_of_several_roots_the_one_closest_to_its_limit_counts(drawn: list[tuple[list[object], Storage | None]]) -> None:
    found = storage_of([part for lines, _ in drawn for part in lines])
    told = [storage for _, storage in drawn if storage is not None]
    assert (found is None) is (not told)
    if found is not None:
        assert found in told
        share = max(0.0 if one.limit is None else one.used / one.limit for one in told)
        assert (0.0 if found.limit is None else found.used / found.limit) == share


PIECES = st.sampled_from(
    [
        b"(",
        b")",
        b'"',
        b"STORAGE",
        b"MESSAGE",
        b" ",
        b"12",
        b"-3",
        b"9" * 30,
        b"1.5",
        b"NIL",
        b"\\",
        b"{3}",
        b"\xff",
        b"0",
    ]
)


@given(st.lists(st.one_of(st.binary(max_size=40), st.lists(PIECES, max_size=12).map(b"".join), st.none()), max_size=4))
def test_garbage_is_no_answer_and_no_error(lines: list[object]) -> None:
    found = storage_of(lines)
    assert found is None or (0 <= found.used <= MOST and (found.limit is None or 0 < found.limit <= MOST))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'"" (STORAGE 10 512)', Storage(10 * UNIT, 512 * UNIT)),
        (b'"User quota" (STORAGE 0 0)', Storage(0, None)),
        (b'"" (MESSAGE 10 512)', None),
        (b'"" ()', None),
        (b'""', None),
        (b"", None),
        (b'"" (STORAGE 10)', None),
        (b'"" (STORAGE ten 512)', None),
        (b'"" (STORAGE -1 512)', None),
        (b'"" (STORAGE 10 512', None),
        (b'"" (STORAGE 10 -1)', None),
        (b'"" (STORAGE 99999999999999999999 512)', None),
        (b'"" (STORAGE 9999999999999999 512)', None),
        (b'"" (STORAGE 10 9999999999999999)', Storage(10 * UNIT, None)),
        (b'"" ((STORAGE 10 512))', None),
        (b'"" (STORAGE 600 512)', Storage(600 * UNIT, 512 * UNIT)),
    ],
)
def test_one_answer(line: bytes, told: Storage | None) -> None:
    assert storage_of([line]) == told


class Answering:
    """A connection whose server answers without what was asked for, or with something else."""

    def __init__(self, items: Mapping[int, Mapping[bytes, object]], status: Mapping[bytes, object]) -> None:
        self.client: Any = SimpleNamespace(
            fetch_by_uid=lambda _uids, _what: items, folder_status=lambda _folder, _what: status
        )
        self.translated = nullcontext

    def on_those_left(self, ask: Any) -> Any:
        return ask()


def test_a_size_that_the_server_does_not_say_is_not_taken_for_nothing() -> None:
    said: tuple[dict[bytes, object], ...] = ({b"RFC822.SIZE": 500}, {}, {b"RFC822.SIZE": b"many"}, {b"RFC822.SIZE": -1})
    items = dict(enumerate(said, 1))
    connection: Any = Answering(items, {b"MESSAGES": 3})
    assert SizeCommands(connection).message_sizes([1, 2, 3, 4]) == {1: 500, 4: 0}
    assert SizeCommands(connection).folder_size("INBOX") is None
