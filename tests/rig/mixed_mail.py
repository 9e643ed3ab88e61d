"""Mail of many kinds, as servers let it in: letters, spam, reports, structures at random, and hostile mail."""

import re
from itertools import count

from tests.fuzz.hostile import hostile
from tests.rig.letters import letter, spam
from tests.rig.messages import eml
from tests.unit.message.mime.mails import Maker

_HEADER = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+\r\n")


def mixed(messages: int, start: int = 1) -> list[bytes]:
    """So many messages, all different. A fifth each: letters, spam, reports, structures, and hostile ones.

    They are as a mail server lets them in: lines end with CRLF, there is no NUL, and the header is one.
    """
    hostile_ones = filter(_is_let_in, (_let_in(hostile(number)) for number in count(start * 100)))
    found = []
    for number in range(start, start + messages):
        match number % 5:
            case 0:
                raw = spam(number)
            case 1:
                raw = letter(number, size=number * 500)
            case 2:
                raw = eml(number, attachments={f"report-{number}.pdf": b"%PDF-1.7\n" + bytes(range(256)) * number})
            case 3:
                raw = Maker(number).mail().raw
            case _:
                raw = next(hostile_ones)
        found.append(_let_in(raw))
    assert len(set(found)) == messages
    return found


def _is_let_in(raw: bytes) -> bool:
    # what looks like Exchange's placeholder is waited for, and that takes minutes
    return _HEADER.match(raw) is not None and b"ATP Scan In Progress" not in raw


def _let_in(raw: bytes) -> bytes:
    return re.sub(rb"\r\n|\r|\n", b"\r\n", raw.replace(b"\0", b""))
