"""Which message is tried at a paused handler: the query against the same rule in Python."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from tests.unit.journal.world import CLEAN, JUNK, new
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.records import Result
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.reasons import Reason

PAUSED = Reason.PAUSED.stored("archive")
REASONS = st.sampled_from([PAUSED] * 4 + [Reason.PAUSED.stored("other"), "archive:ValueError", None])
SENDERS = st.sampled_from([None, "a", "b", "c", "d"])


@dataclass(frozen=True)
class Row:
    """A message of the model. failed: at the handler `archive`. as_trial: it was a trial, which counts as no try."""

    sender: str | None
    reason: str | None
    state: State
    failed: bool
    as_trial: bool
    in_hand: bool
    junk: bool
    arrived: float


ROWS = st.builds(
    Row,
    sender=SENDERS,
    reason=REASONS,
    state=st.sampled_from([State.PENDING] * 5 + [State.HANDLED]),
    failed=st.booleans(),
    as_trial=st.booleans(),
    in_hand=st.sampled_from([False] * 4 + [True]),
    junk=st.sampled_from([False] * 4 + [True]),
    arrived=st.integers(0, 3).map(float),
)


def expected(
    rows: list[Row], *, newest: bool, not_from: set[str | None], in_order: bool, known: set[str | None]
) -> int | None:
    def follows(number: int) -> bool:
        row = rows[number]
        return not row.junk and any(
            (other.arrived, place) < (row.arrived, number)
            and other.sender == row.sender is not None
            and other.state is State.PENDING
            and not other.junk
            for place, other in enumerate(rows)
        )

    fit = [
        number
        for number, row in enumerate(rows)
        if row.state is State.PENDING
        and row.reason == PAUSED
        and not row.failed
        and not row.in_hand
        and row.sender not in not_from
        and not (in_order and follows(number))
    ]
    best = [number for number in fit if rows[number].sender in known] or fit
    ordered = sorted(best, key=lambda number: (rows[number].arrived, number))
    return (ordered[-1] if newest else ordered[0]) if ordered else None


@given(st.lists(ROWS, max_size=8), st.booleans(), st.sets(SENDERS), st.booleans())
def test_the_message_to_try_is_the_one_of_the_rule(
    rows: list[Row], newest: bool, not_from: set[str | None], in_order: bool
) -> None:
    database = with_tables(Database("sqlite://"))
    messages, tries = Messages(database), Tries(database)
    records = messages.add(
        [
            replace(
                new(f"{number:026}", number, verdict=JUNK if row.junk else CLEAN),
                sender=row.sender,
                received_at=row.arrived,
            )
            for number, row in enumerate(rows, start=1)
        ],
        1.0,
    )
    for record, row in zip(records, rows, strict=True):
        failed = "archive" if row.failed else None
        path = record.verdict.path
        result = Result(record.id, row.state, row.reason, failed_handler=failed, untried=row.as_trial, path=path)
        tries.record([result], 1.0)
    tries.begin_tries([record.id for record, row in zip(records, rows, strict=True) if row.in_hand], "run", alone=False)
    known: set[str | None] = {row.sender for row in rows if row.state is State.HANDLED and not row.junk and row.sender}

    found = tries.next_trial("archive", newest=newest, not_from=not_from, in_order=in_order)

    counted = {
        record.id: {"archive": (False, int(not row.as_trial))}
        for record, row in zip(records, rows, strict=True)
        if row.failed
    }
    assert tries.done_handlers([record.id for record in records]) == counted
    number = expected(rows, newest=newest, not_from=not_from, in_order=in_order, known=known)
    assert (None if found is None else found.id) == (None if number is None else records[number].id)
