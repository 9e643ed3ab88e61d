"""What headers can say of messages that all have the same ones, for every mix of rows."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from worker.journal.records import Place, Record
from worker.message.content_mark import is_comparable
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.matching import NOT_DONE, matched

CONTENTS = st.sampled_from([None, "parts:a", "bytes:b", "head:one", "head:two"])
DATES = st.sampled_from([1.0, 2.0])
PLACES = st.sampled_from(
    [Place("INBOX", 14, 3), Place("INBOX", 13, 3), Place("INBOX", 14, None), Place("Processed", 20, 3)]
)


@dataclass(frozen=True)
class Found:
    """A message in INBOX, whose UIDVALIDITY is 14."""

    uid: int
    size: int
    received_at: float
    header_mark: str

    @property
    def place(self) -> Place:
        return Place("INBOX", 14, self.uid)


def record(
    number: int, state: State, place: Place, size: int, received_at: float, content: str | None, *, doubtful: bool
) -> Record:
    return Record(
        id=number,
        key=f"a-{number}",
        fingerprint="a",
        state=state,
        verdict=Verdict(MailPath.CLEAN),
        place=place,
        size=size,
        received_at=received_at,
        first_seen_at=1.0,
        tries=1,
        deaths=0,
        in_hand=None,
        next_at=None,
        settle_to=None,
        settled=True,
        missed=0,
        released=False,
        content=content,
        doubtful=doubtful,
    )


ROWS = st.lists(
    st.tuples(st.sampled_from(list(State)), PLACES, st.integers(1, 2), DATES, CONTENTS, st.booleans()), max_size=5
).map(
    lambda rows: [
        record(number, state, place, size, received_at, content, doubtful=doubtful)
        for number, (state, place, size, received_at, content, doubtful) in enumerate(rows, start=1)
    ]
)
FOUND = st.lists(
    st.tuples(st.integers(1, 2), DATES, st.sampled_from(["head:one", "head:three"])), min_size=1, max_size=5
).map(lambda found: [Found(uid, *fields) for uid, fields in enumerate(found, start=10)])


@given(found=FOUND, lost=ROWS, placed=ROWS)
def test_every_message_is_one_thing_and_no_row_two_messages(
    found: list[Found], lost: list[Record], placed: list[Record]
) -> None:
    matches = matched(found, lost, placed, lambda one: one.header_mark)
    told = [*(one for one, _ in matches.known), *matches.doubtful, *matches.new]
    assert sorted(one.uid for one in told) == [one.uid for one in found]
    rows = [row.id for _, row in matches.known]
    assert len(rows) == len(set(rows))
    assert not matches.doubtful or not matches.new, "one answer for all that are left"
    assert bool(matches.doubtful) <= bool(matches.lost)
    assert not {row.id for row in matches.lost if row in lost} & set(rows)


@given(found=FOUND, lost=ROWS, placed=ROWS)
def test_headers_never_stand_for_a_content_that_is_known(
    found: list[Found], lost: list[Record], placed: list[Record]
) -> None:
    """But of a message that isn't done, or in a renumbered folder, if there are no more messages than rows."""
    matches = matched(found, lost, placed, lambda one: one.header_mark)
    for one, row in matches.known:
        assert not row.is_lost
        if is_comparable(row.content):
            assert len(found) <= len(lost)
            assert row.received_at == one.received_at
            assert not matches.doubtful
            assert not matches.new
        if row.state in NOT_DONE:
            continue
        renumbered = row.place.folder == "INBOX" and row.place != Place("INBOX", 14, 3)
        if is_comparable(row.content):
            assert renumbered
        elif not renumbered:
            assert row.size == one.size or row.state is State.JUNK
            assert row.content in (None, one.header_mark)


@given(found=FOUND, placed=ROWS)
def test_without_a_lost_row_a_message_is_new_unless_a_row_lies_there_by_its_headers_alone(
    found: list[Found], placed: list[Record]
) -> None:
    matches = matched(found, [], placed, lambda one: one.header_mark)
    in_doubt = [row for row in placed if row.doubtful and is_comparable(row.content)]
    assert matches.again == in_doubt
    assert (matches.doubtful if in_doubt else matches.new) == found
