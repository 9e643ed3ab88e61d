"""Which messages a server refuses a command for, found by halves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.mailbox import INBOX, Server, mail
from worker.mailbox.bisection import MOST_REFUSED, shown_heads
from worker.mailbox.errors import CommandRefused


def quirks_of(name: str) -> dict[str, Any]:
    return {name: True} if name else {}


@given(st.lists(st.sampled_from(["", "", "", "", "veiled", "headless"]), max_size=40))
def test_all_headers_but_the_refused_ones_are_shown_in_order(quirks: list[str]) -> None:
    if quirks.count("veiled") >= MOST_REFUSED:
        return
    server = Server()
    for quirk in quirks:
        server.deliver(mail(), **quirks_of(quirk))
    session: Any = server.session()
    session.select(INBOX)
    wanted = range(1, len(quirks) + 1)
    shown = [head.uid for head in shown_heads(session, reversed(wanted))]
    assert shown == [uid for uid, quirk in zip(wanted, quirks, strict=True) if not quirk]


def test_where_no_header_is_shown_the_messages_are_not_the_cause() -> None:
    server = Server()
    for _ in range(3 * MOST_REFUSED):
        server.deliver(mail(), veiled=True)
    session: Any = server.session()
    session.select(INBOX)
    with pytest.raises(CommandRefused):
        list(shown_heads(session, range(1, 3 * MOST_REFUSED + 1)))
