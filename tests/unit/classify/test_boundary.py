"""Forged headers: what no sender can do, over generated header blocks."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.classify.blocks import (
    OTHERS,
    PROVIDERS,
    Header,
    blocks,
    counting,
    exchange_headers,
    foreign_headers,
    ingress,
    inside,
    judged,
    plain_headers,
    received,
    written_by_a_sender,
)
from worker.classify import JunkPolicy
from worker.classify.boundary import BELOW, UNTRUSTED, find_boundary, hop, is_provider
from worker.classify.policy import PROVIDER_HOSTS


@given(inside, ingress, written_by_a_sender)
def test_a_forged_header_below_the_boundary_changes_nothing(
    above: list[Header], entered: Header, below: list[Header]
) -> None:
    with_it, without = judged([*above, entered, *below]), judged([*above, entered])
    assert with_it.path is without.path
    assert counting(with_it) == counting(without)
    extra = set(with_it.evidence) - set(without.evidence)
    assert all(piece.reason in {BELOW, UNTRUSTED} for piece in extra)


@given(
    inside,
    written_by_a_sender,
    st.lists(received(OTHERS + PROVIDERS, OTHERS + PROVIDERS), min_size=1, max_size=4),
    st.data(),
)
def test_no_forged_hop_switches_belief_off(
    above: list[Header], block: list[Header], forged: list[Header], data: st.DataObject
) -> None:
    """Received lines can be forged below the true ingress hop alone: what was believed above it still is."""
    entered = data.draw(ingress)
    place = data.draw(st.integers(0, len(block)))
    before = judged([*above, entered, *block])
    after = judged([*above, entered, *block[:place], *forged, *block[place:]])
    assert counting(before) == counting(after)


@given(
    st.lists(foreign_headers | exchange_headers | plain_headers, max_size=6), written_by_a_sender, written_by_a_sender
)
def test_where_the_topmost_hop_is_unknown_no_forged_hop_switches_belief_off(
    top: list[Header], before: list[Header], forged: list[Header]
) -> None:
    unknown = ("Received", "from mail.sender.example by mx.hospital.example; x")
    assert counting(judged([*top, unknown, *before])) <= counting(judged([*top, unknown, *before, *forged]))


hosts = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,40}[a-z0-9]", fullmatch=True).filter(lambda host: host != "by")


@given(
    hosts,
    hosts,
    st.text(max_size=30).filter(lambda text: not set(text) & set("()\\")),
    st.sampled_from([" ", "\r\n\t"]),
)
def test_a_hop_is_read_past_its_comments(sender: str, receiver: str, comment: str, space: str) -> None:
    line = (
        f"from{space}{sender} ({comment} (by x.nhs.net)){space}by{space}{receiver} ({comment}) with ESMTP; by y.nhs.net"
    )
    assert hop(line) == (sender, receiver)


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=300).filter(
        lambda text: not text.isspace()
    ),
    hosts,
)
def test_no_greeting_hides_the_hop(greeting: str, receiver: str) -> None:
    """The greeting is the sender's: without white space, it can neither hide the receiver's name nor change it."""
    _, found = hop(f"from {greeting} (192.0.2.1) by {receiver} with ESMTP; Mon, 2 Nov 2026 09:00:00 +0000")
    assert found == receiver


PIECES = st.sampled_from([
    "from", "by", "by ", "with", "a.example", "b.nhs.net", "[192.0.2.1]", " ", " ", "\t", "\r\n ", "\x1c", ";", "; ",
    "(c)", "()", "(by x.nhs.net)", " (a) ", "é", "\u017f",
])  # fmt: skip


STARTS = st.sampled_from(["from a.example ", "from a.example by", "from a.example (c) by ", "from ", "by ", ""])


@given(STARTS, st.lists(PIECES, max_size=8))
@example("from a.example by", ["b.nhs.net"])
@example("from a.example by ", [";b.nhs.net"])
@example("from a.example by ", ["b.nhs.net;", "by x.nhs.net"])
@example("from a.example by ", ["(c)", "b.nhs.net"])
@example("from a.example (c) ", ["(c) by b.nhs.net"])
@example("from (c) ", ["a.example by b.nhs.net"])
def test_a_comment_at_the_end_changes_nothing(start: str, pieces: list[str]) -> None:
    """Without the comment within a comment, most of these lines are as servers write them, and read in one go."""
    line = start + "".join(pieces)
    assert hop(line) == hop(f"{line} (a (b))")


@given(st.text())
def test_any_received_line_is_read_without_an_error(text: str) -> None:
    sender, receiver = hop(text)
    for host in (sender, receiver):
        assert is_provider(host, PROVIDER_HOSTS) in {True, False}


@given(blocks)
def test_the_boundary_is_at_a_received_line(block: list[Header]) -> None:
    boundary = find_boundary(block, JunkPolicy())
    assert boundary.ends_at is None or block[boundary.ends_at][0] == "Received"
    assert boundary.recognised or boundary.ends_at is None
