"""What FETCH answers say counts for the message whose UID they carry, whatever comes between them."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imapclient.exceptions import ProtocolError

from worker.mailbox.fetch_answers import by_uid

FLAGS = ["\\Seen", "\\Flagged", "$Junk", "$NotJunk"]
BODY = b"Subject: a\r\n\r\n* 5 FETCH (UID 5 FLAGS ())\r\n"
Line = bytes | tuple[bytes, bytes]


@dataclass(frozen=True)
class Answer:
    """One untagged FETCH. The items come in this order."""

    number: int
    items: tuple[tuple[str, object], ...]

    def lines(self) -> list[Line]:
        """As imaplib stores it: split after each literal."""
        lines: list[Line] = []
        text = f"{self.number} ("
        for place, (name, value) in enumerate(self.items):
            text += " " if place else ""
            if isinstance(value, bytes):
                lines.append((f"{text}{name} {{{len(value)}}}".encode(), value))
                text = ""
            else:
                text += f"{name} ({' '.join(value)})" if isinstance(value, tuple) else f"{name} {value}"
        return [*lines, f"{text})".encode()]


def flags(draw: st.DrawFn) -> tuple[str, ...]:
    return tuple(draw(st.lists(st.sampled_from(FLAGS), unique=True)))


@st.composite
def told(draw: st.DrawFn) -> tuple[list[Answer], dict[int, dict[bytes, object]]]:
    """What a server says in answer to one UID FETCH, and what is true then.

    The messages come in any order, each in one answer or in several. Between them the server tells of flags that others
    change, with the UID or without it, and removes messages, so that the numbers after them are others.
    """
    uids = sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=6)))
    numbers = dict(zip(uids, range(1, len(uids) + 1), strict=True))
    wanted: list[tuple[int, list[tuple[str, object]]]] = []
    for uid in uids:
        items: list[tuple[str, object]] = [
            ("FLAGS", flags(draw)),
            ("RFC822.SIZE", draw(st.integers(0, 10**12))),
            ("BODY[HEADER]<0>", draw(st.sampled_from([b"", BODY, BODY * 2]))),
        ]
        items = draw(st.permutations(items))
        cuts = sorted(draw(st.sets(st.integers(1, 2), max_size=2)))
        wanted += [(uid, items[start:end]) for start, end in zip([0, *cuts], [*cuts, 3], strict=True)]
    answers: list[Answer] = []
    true: dict[int, dict[bytes, object]] = {}
    for uid, items in draw(st.permutations(wanted)):
        for what in draw(st.lists(st.sampled_from(["unasked", "without", "gone"]), max_size=3)):
            if what == "without":
                answers.append(Answer(draw(st.integers(1, 9)), (("FLAGS", flags(draw)),)))
            elif what == "unasked":
                other, said = draw(st.sampled_from(uids)), flags(draw)
                pair = draw(st.permutations([("UID", other), ("FLAGS", said)]))
                answers.append(Answer(numbers[other], tuple(pair)))
                true.setdefault(other, {})[b"FLAGS"] = tuple(flag.encode() for flag in said)
            else:
                first = draw(st.sampled_from(uids))
                numbers = {uid: number - (uid > first and number > 1) for uid, number in numbers.items()}
        answers.append(Answer(numbers[uid], tuple(draw(st.permutations([("UID", uid), *items])))))
        for name, value in items:
            stored = tuple(flag.encode() for flag in value) if isinstance(value, tuple) else value
            true.setdefault(uid, {})[name.encode()] = stored
    return answers, true


@settings(max_examples=200, deadline=None)
@given(told())
def test_each_message_has_what_was_said_of_its_uid(drawn: tuple[list[Answer], dict[int, dict[bytes, object]]]) -> None:
    answers, true = drawn
    found = by_uid([line for answer in answers for line in answer.lines()])
    assert found == true


def test_an_answer_without_a_uid_is_left_out_and_none_is_no_answer() -> None:
    assert by_uid([b"5 (FLAGS (\\Seen))"]) == {}
    assert by_uid([None]) == by_uid([]) == {}


@pytest.mark.parametrize("line", [b"5 (UID five)", b"5 (UID 5 FLAGS (", b"x (UID 5)", b"5 (UID)", b"5"])
def test_an_answer_that_cannot_be_understood_is_an_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        by_uid([line])
