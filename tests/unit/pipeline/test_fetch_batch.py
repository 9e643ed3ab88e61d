"""What one batch is: which tries are counted, what the pool is given of each message, and what is missing."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.checks import Logged, fields
from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, busy, mail
from tests.unit.pipeline.fetching import DEATHS, LIMIT, REPORTS, TEXT, Bench, Taken, block, late, top_of
from worker.handling.content_check import Doubt
from worker.journal.records import Place, Record, Result
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    FolderRefused,
    MailboxError,
    NotConnected,
    ProtocolFault,
    ServerUnavailable,
)
from worker.message.mime.limits import MessageOverLimit
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.fetch import NOT_READY_WAIT
from worker.pipeline.fetched import BrokenOff, Missing

MARK, OTHER_MARK, OF_HEADERS = "parts:0123", "parts:4567", "head:0123"


@pytest.fixture
def bench() -> Bench:
    """A fetch with a journal and a mailbox."""
    return Bench()


# -- what the pool is given


def test_each_message_is_handed_over_as_it_is_and_its_try_is_counted_first(bench: Bench) -> None:
    first, one = bench.add()
    second, other = bench.add(received_at=1_700_000_500.0)
    assert bench([one, other]) == Missing()
    assert [item.record for item in bench.hands.taken] == [one, other]
    for mailed, record, taken in zip((first, second), (one, other), bench.hands.taken, strict=True):
        message = taken.message
        assert (message.raw, message.key, message.folder) == (mailed.raw, record.key, INBOX)
        assert message.received_at == datetime.fromtimestamp(mailed.received_at, UTC)
        assert (message.path, taken.done, taken.doubt, taken.headers_alone) == (MailPath.CLEAN, set(), None, False)
    assert [(bench.row(record).tries, bench.row(record).in_hand) for record in (one, other)] == [(1, "run-1")] * 2
    assert bench.commands == ["bodies"]


def test_who_is_tried_alone_is_marked_so(bench: Bench) -> None:
    _, one = bench.add()
    bench([one], alone=True)
    assert bench.row(one).in_hand == "alone run-1"
    assert bench.row(one).was_alone


def test_once_each_message_is_taken_there_may_be_room_for_what_follows(bench: Bench) -> None:
    records = [bench.add()[1] for _ in range(3)]
    told: list[tuple[list[int], int]] = []

    class Ahead:
        def ask_if_room(self, unread: Collection[Record]) -> None:
            told.append((sorted(record.id for record in unread), len(bench.hands.taken)))

    bench(records, ahead=Ahead())
    _, second, third = (record.id for record in records)
    assert told == [([second, third], 1), ([third], 2), ([], 3)]


def test_what_has_come_and_is_not_taken_yet_takes_room(bench: Bench) -> None:
    records = [replace(bench.add()[1], fingerprint="another's") for _ in range(2)]
    told: list[int] = []

    class Ahead:
        def ask_if_room(self, unread: Collection[Record]) -> None:
            told.append(len(list(unread)) + len(bench.hands.taken))

    bench(records, ahead=Ahead())
    assert told == [2, 2]


def test_what_has_come_is_no_suspect_if_the_connection_ends_as_the_next_batch_is_asked_for(bench: Bench) -> None:
    _, one = bench.add()
    _, other = bench.add()

    class Ahead:
        def ask_if_room(self, unread: Collection[Record]) -> None:
            raise ConnectionLost("broken pipe")

    with pytest.raises(BrokenOff) as broken:
        bench([one, other], ahead=Ahead())
    assert broken.value.records == (other,)
    assert [item.record for item in bench.hands.taken] == [one]


def test_a_message_is_parsed_within_the_limits_of_the_settings(bench: Bench) -> None:
    _, one = bench.add(mail(body=b"x" * (TEXT + 1)))
    bench([one])
    (taken,) = bench.hands.taken
    with pytest.raises(MessageOverLimit):
        taken.message.text  # noqa: B018 -- reading it parses the message


def test_a_message_keeps_its_verdict_and_its_evidence(bench: Bench) -> None:
    _, one = bench.add(folder=JUNK, path=MailPath.JUNK)
    bench([one])
    (taken,) = bench.hands.taken
    assert (taken.message.path, taken.message.folder) == (MailPath.JUNK, JUNK)


def test_handlers_that_finished_before_are_skipped_and_those_that_failed_are_not(bench: Bench) -> None:
    _, one = bench.add()
    _, other = bench.add()
    failed = Result(one.id, State.PENDING, "notify:ValueError", done=("archive", "copy"), failed_handler="notify")
    bench.tries.record([failed], 2.0)
    bench([one, other])
    assert [item.done for item in bench.hands.taken] == [{"archive", "copy"}, set()]


# -- header blocks that are known already


def test_headers_that_are_known_are_not_parsed_again_and_then_dropped(bench: Bench) -> None:
    (one, record), (two, later) = bench.add(), bench.add()
    top, kept = top_of(one), top_of(two)
    tops = {record.id: top, later.id: kept}
    bench([record], tops)
    (taken,) = bench.hands.taken
    assert taken.message.headers is top.headers
    assert tops == {later.id: kept}


def test_headers_that_are_known_do_not_count_for_a_content_that_begins_otherwise(bench: Bench) -> None:
    """A placeholder has its own."""
    one, record = bench.add()
    one.other_in_full = b"From: server@nhs.net\r\nSubject: retrieval failed\r\n\r\nx\r\n"
    bench([record], {record.id: top_of(one)})
    (taken,) = bench.hands.taken
    assert taken.message.headers.get("Subject") == "retrieval failed"


def test_headers_that_are_known_count_for_a_content_that_has_more_of_them(bench: Bench) -> None:
    """A gateway may add some below."""
    one, record = bench.add()
    top = top_of(one)
    one.other_in_full = top.raw.rstrip(b"\r\n") + b"\r\nX-Added: by a gateway\r\n\r\nhello\r\n"
    bench([record], {record.id: top})
    (taken,) = bench.hands.taken
    assert taken.message.headers is top.headers


# -- junk whose handlers need no body


@pytest.fixture
def by_headers() -> Bench:
    """A fetch that asks for no body of junk."""
    return Bench(junk_by_headers=True)


def test_of_junk_the_headers_alone_are_fetched_once(by_headers: Bench) -> None:
    bench = by_headers
    (one, known), (two, unknown) = (bench.add(folder=JUNK, path=MailPath.JUNK) for _ in range(2))
    bench([known, unknown], {known.id: top_of(one)})
    given = {item.record.id: (item.message.raw, item.headers_alone) for item in bench.hands.taken}
    assert given == {known.id: (block(one.raw), True), unknown.id: (block(two.raw), True)}
    assert bench.commands == ["heads"]


def test_of_clean_mail_and_of_junk_in_doubt_everything_is_fetched(by_headers: Bench) -> None:
    bench = by_headers
    (one, clean), (two, doubtful) = bench.add(), bench.add(path=MailPath.JUNK)
    _, slim = bench.add(path=MailPath.JUNK)
    bench([clean, replace(doubtful, doubtful=True), slim])
    given = {item.record.id: (item.message.raw, item.headers_alone) for item in bench.hands.taken}
    assert given.pop(slim.id)[1]
    assert given == {clean.id: (one.raw, False), doubtful.id: (two.raw, False)}


def test_junk_whose_handlers_read_it_is_fetched_whole(bench: Bench) -> None:
    one, junk = bench.add(folder=JUNK, path=MailPath.JUNK)
    bench([junk])
    (taken,) = bench.hands.taken
    assert (taken.message.raw, taken.headers_alone) == (one.raw, False)


def test_a_batch_is_asked_for_with_its_size_and_the_most_that_a_message_may_have(by_headers: Bench) -> None:
    bench = by_headers
    (_, one), (_, two), (_, slim) = bench.add(size=300), bench.add(size=500), bench.add(path=MailPath.JUNK, size=900)
    asked: list[Any] = []
    real = bench.session.bodies

    def bodies(wanted: Any, *, cap: int, expected: int) -> Any:
        asked.append((list(wanted), cap, expected))
        return real(wanted, cap=cap, expected=expected)

    bench.session.bodies = bodies  # type: ignore[method-assign] # to see what is asked for
    bench([one, two, slim])
    assert asked == [([one.place.uid, two.place.uid], LIMIT, 800)]


# -- what is given up


@pytest.mark.parametrize(("size", "oversize"), [(LIMIT, False), (LIMIT + 1, True)])
def test_a_message_over_the_limit_is_given_up_unfetched(
    bench: Bench, logged: Logged, size: int, oversize: bool
) -> None:
    _, one = bench.add(size=size)
    _, beside = bench.add()
    assert bench([one, beside]) == Missing()
    expected = [(one, Outcome(State.FAILED, reason="oversize"))] if oversize else []
    assert bench.hands.finished == expected
    assert [item.record.id for item in bench.hands.taken] == ([beside.id] if oversize else [one.id, beside.id])
    assert bench.row(one).tries == (0 if oversize else 1)
    told = [{"key": one.key, "size": size, "log_level": "error"}] if oversize else []
    assert [{name: line[name] for name in line if name != "event"} for line in logged("message.oversize")] == told


@pytest.mark.parametrize(("deaths", "poison"), [(DEATHS - 1, False), (DEATHS, True)])
def test_a_message_that_killed_too_often_is_given_up_unfetched(
    bench: Bench, logged: Logged, deaths: int, poison: bool
) -> None:
    _, one = bench.add()
    one = replace(one, deaths=deaths)
    assert bench([one]) == Missing()
    assert bench.hands.finished == ([(one, Outcome(State.FAILED, reason="poison"))] if poison else [])
    assert len(bench.hands.taken) == (0 if poison else 1)
    assert fields(logged, "message.poison") == ([{"key": one.key, "deaths": deaths}] if poison else [])
    assert [line["log_level"] for line in logged("message.poison")] == (["error"] if poison else [])


def test_a_message_whose_size_the_server_understated_is_given_up_after_all(bench: Bench) -> None:
    _, one = bench.add(mail(body=b"x" * LIMIT), size=10)
    bench([one])
    assert (bench.hands.finished, bench.hands.taken) == ([(one, Outcome(State.FAILED, reason="oversize"))], [])


def test_a_hopeless_message_that_was_taken_away_is_missing_and_no_dead_letter(bench: Bench) -> None:
    """There would be no message to show to people."""
    (here, gone), (_, stays), (_, beside) = bench.add(size=LIMIT + 1), bench.add(size=LIMIT + 1), bench.add()
    bench.server.delete(here)
    assert bench([gone, stays, beside]) == Missing((gone,))
    assert [record for record, _ in bench.hands.finished] == [stays]
    assert [item.record for item in bench.hands.taken] == [beside]


def test_of_a_batch_that_is_hopeless_nothing_is_fetched(bench: Bench) -> None:
    _, one = bench.add(size=LIMIT + 1)
    bench([one])
    assert bench.commands == ["present"]
    assert bench.row(one).in_hand is None


# -- what the server doesn't show, or shows otherwise


def test_what_is_listed_and_not_shown_waits_and_what_was_taken_away_is_missing(bench: Bench) -> None:
    (_, unshown), (here, gone), (_, shown) = bench.add(bodiless=True), bench.add(), bench.add()
    bench.server.delete(here)
    assert bench([unshown, gone, shown]) == Missing((gone,))
    assert bench.hands.finished == [(unshown, Outcome(State.PENDING, reason="not-ready", after=NOT_READY_WAIT))]
    assert [item.record for item in bench.hands.taken] == [shown]
    rows = [bench.row(record) for record in (unshown, gone, shown)]
    assert [(row.tries, row.in_hand) for row in rows] == [(1, "run-1"), (0, None), (1, "run-1")]


def test_another_message_in_its_place_is_not_handed_over(bench: Bench, logged: Logged) -> None:
    """Its try doesn't count, its UID is forgotten, and its folder is listed again."""
    (one, astray), (_, beside) = bench.add(), bench.add()
    bench.add(mail(), size=1)
    one.raw = mail()
    assert bench([astray, beside]) == Missing(look_again=INBOX)
    assert [item.record for item in bench.hands.taken] == [beside]
    row = bench.row(astray)
    assert (row.tries, row.in_hand, row.place.uid) == (0, None, None)
    assert bench.row(beside).place == beside.place
    assert fields(logged, "mailbox.folder_replaced") == [{"folder": INBOX}]
    assert [line["log_level"] for line in logged("mailbox.folder_replaced")] == ["warning"]


def test_another_message_in_the_place_of_the_only_one_of_a_batch_is_not_handed_over(bench: Bench) -> None:
    one, astray = bench.add()
    one.raw = mail()
    assert bench([astray]) == Missing(look_again=INBOX)
    assert bench.hands.taken == []


def test_what_is_astray_and_what_was_taken_away_are_told_at_once(bench: Bench) -> None:
    (one, astray), (here, gone) = bench.add(), bench.add()
    one.raw = mail()
    bench.server.delete(here)
    assert bench([astray, gone]) == Missing((gone,), look_again=INBOX)


def test_a_header_that_only_the_whole_message_shows_otherwise_is_no_other_message(bench: Bench, logged: Logged) -> None:
    (one, marked), (two, astray) = bench.add(), bench.add()
    one.other_in_full = one.raw.replace(b"Subject: ", b"Subject: [external] ")
    two.raw = mail()
    assert bench([marked, astray]) == Missing(look_again=INBOX)
    assert [(item.record, item.message.raw) for item in bench.hands.taken] == [(marked, one.other_in_full)]
    assert bench.row(marked).tries == 1


def test_after_a_placeholder_another_header_shows_nothing(bench: Bench) -> None:
    one, record = bench.add()
    waited = replace(record, reason="stand-in:retrieval")
    one.raw = mail()
    assert bench([waited]) == Missing()
    assert [item.message.raw for item in bench.hands.taken] == [one.raw]


def test_a_message_that_came_late_is_known_by_its_new_header_and_size(bench: Bench) -> None:
    (one, record), (_, beside), (two, also) = bench.add(), bench.add(), bench.add()
    one.raw, two.raw = mail(body=b"longer than before"), mail(body=b"much longer than before")
    waiting = [late(record, "stand-in:retrieval"), beside, late(also, "stand-in:retrieval")]
    bench(waiting)
    for mailed, row in ((one, record), (two, also)):
        mark, size = bench.fingerprints.of_block(block(mailed.raw)), len(mailed.raw)
        stored = bench.row(row)
        assert (stored.fingerprint, stored.size, stored.key) == (mark, size, row.key)
        (given,) = [item for item in bench.hands.taken if item.record.id == row.id]
        assert (given.record.fingerprint, given.record.size, given.message.key) == (mark, size, row.key)
        assert given.message.raw == mailed.raw
    assert bench.row(beside).fingerprint == beside.fingerprint


def test_a_late_message_whose_header_the_server_refuses_alone_keeps_its_own(bench: Bench) -> None:
    one, record = bench.add()
    one.veiled = True
    bench([late(record)])
    assert [item.record for item in bench.hands.taken] == [late(record)]
    assert bench.row(record).fingerprint == record.fingerprint


# -- what is compared with what


def lost(bench: Bench, raw: bytes, content: str) -> None:
    """A message with these headers was handled, and isn't where it was."""
    _, record = bench.add(raw, folder=ELSEWHERE)
    bench.tries.record([Result(record.id, State.HANDLED, content=content)], 2.0)
    bench.places.lost([record.id])


def doubts(bench: Bench) -> list[Doubt | None]:
    return [item.doubt for item in bench.hands.taken]


def test_a_message_in_doubt_is_compared_with_the_lost_ones_of_its_headers(bench: Bench) -> None:
    raw = mail()
    lost(bench, raw, MARK)
    lost(bench, raw, OTHER_MARK)
    lost(bench, mail(), "parts:89ab")
    (_, one), (_, sure) = bench.add(raw), bench.add(raw)
    bench([replace(one, doubtful=True), sure])
    assert doubts(bench) == [Doubt(None, frozenset({MARK, OTHER_MARK})), None]


@pytest.mark.parametrize(("content", "own"), [(MARK, MARK), (OF_HEADERS, None), (None, None)])
def test_a_message_in_doubt_is_compared_with_its_own_content_if_that_is_known(
    bench: Bench, content: str | None, own: str | None
) -> None:
    raw = mail()
    lost(bench, raw, OTHER_MARK)
    _, one = bench.add(raw)
    bench([replace(one, doubtful=True, content=content)])
    assert doubts(bench) == [Doubt(own, frozenset({OTHER_MARK}))]


def test_a_message_is_not_compared_with_itself_as_another(bench: Bench) -> None:
    raw = mail()
    _, one = bench.add(raw)
    bench.tries.record([Result(one.id, State.GONE, content=OF_HEADERS)], 2.0)
    lost(bench, raw, MARK)
    bench([replace(one, doubtful=True, content=OF_HEADERS)])
    assert doubts(bench) == [Doubt(None, frozenset({MARK}))]


# -- what can't be fetched from where its row says


def elsewhere(record: Any, uidvalidity: int = 99, uid: int | None = 7) -> Any:
    """The row says that it lies in its folder as that was before it was renumbered."""
    return replace(record, place=Place(record.place.folder, uidvalidity, uid))


def test_the_folder_is_opened_if_it_is_not_the_selected_one(bench: Bench) -> None:
    _, one = bench.add()
    bench.session.select(REPORTS)
    bench.commands.clear()
    assert bench([one], select=False) == Missing()
    assert bench.commands == ["select", "bodies"]


def test_of_a_watched_folder_that_was_renumbered_the_list_comes_first(bench: Bench) -> None:
    (_, one), (_, renumbered), (_, unplaced) = bench.add(), bench.add(), bench.add()
    assert bench([one, elsewhere(renumbered), elsewhere(unplaced, uid=None)]) == Missing(look_again=INBOX)
    assert [item.record for item in bench.hands.taken] == [one]
    assert bench([elsewhere(renumbered)]) == Missing(look_again=INBOX)
    assert len(bench.hands.taken) == 1
    assert bench.row(renumbered).tries == 0


def test_in_a_folder_that_is_not_watched_it_is_looked_for(bench: Bench) -> None:
    """It is fetched later, from where it was found."""
    (one, here), (_, there), (_, stays) = (bench.add(folder=REPORTS) for _ in range(3))
    bench.places.misplaced([here.id, there.id])
    bench.server.delete(one)
    moved = [replace(record, place=replace(record.place, uid=None)) for record in (here, there)]
    assert bench([*moved, stays]) == Missing((moved[0],), sought=2)
    assert bench.row(there).place == there.place
    assert [item.record for item in bench.hands.taken] == [stays]


@pytest.mark.parametrize("folder", [INBOX, REPORTS])
def test_a_folder_that_the_server_refuses_ends_the_fetch_if_it_is_watched(bench: Bench, folder: str) -> None:
    (_, one), (_, two) = bench.add(folder=folder), bench.add(folder=folder)
    del bench.server.folders[folder]
    if folder == INBOX:
        with pytest.raises(CommandRefused):
            bench([one, two], select=False)
    else:
        assert bench([one, two], select=False) == Missing((one, two), sought=2)
    assert bench.hands.taken == []
    assert [bench.row(record).tries for record in (one, two)] == [0, 0]


@pytest.mark.parametrize("says", [FolderRefused, busy])
@pytest.mark.parametrize("select", [True, False])
def test_of_a_folder_that_is_not_opened_now_nothing_is_missing_and_nothing_is_fetched(
    bench: Bench, says: Callable[[str], MailboxError], select: bool
) -> None:
    """If it was opened before, one of its messages has to be looked for, and it is opened again for that."""
    (_, one), (_, other) = bench.add(folder=REPORTS), bench.add(folder=REPORTS)
    bench.session.select(REPORTS if select else INBOX)
    bench.server.closed[REPORTS] = says
    batch = (elsewhere(one), other)
    assert bench(batch, select=False) == Missing(unopened=batch)
    assert (bench.hands.taken, bench.hands.finished) == ([], [])
    assert [bench.row(record).tries for record in batch] == [0, 0]


# -- what breaks off


@pytest.mark.parametrize(
    ("error", "at_fetch"),
    [
        (ConnectionLost("lost"), True),
        (ProtocolFault("odd"), True),
        (CommandRefused("no"), True),
        (ServerUnavailable("away"), False),
        (NotConnected("not connected"), False),
    ],
)
def test_an_error_of_the_mailbox_says_whose_tries_were_counted(
    bench: Bench, error: MailboxError, at_fetch: bool
) -> None:
    records = [bench.add()[1] for _ in range(3)]
    _, oversize = bench.add(size=LIMIT + 1)
    real = bench.session.bodies

    def bodies(wanted: Any, *, cap: int, expected: int) -> Any:
        yield next(real(wanted, cap=cap, expected=expected))
        raise error

    bench.session.bodies = bodies  # type: ignore[method-assign] # to fail after the first
    with pytest.raises(BrokenOff) as raised:
        bench([*records, oversize])
    broken = raised.value
    assert broken.records == tuple(records[1:])
    assert (broken.error, broken.at_fetch, str(broken)) == (error, at_fetch, str(error))
    assert broken.__cause__ is error
    assert [bench.row(record).tries for record in (*records, oversize)] == [1, 1, 1, 0]
    assert [item.record for item in bench.hands.taken] == records[:1]


def test_an_error_before_any_try_was_counted_is_the_mailbox_own(bench: Bench) -> None:
    _, one = bench.add()
    bench.session.close()
    with pytest.raises(ConnectionLost):
        bench([one], select=False)
    assert bench.row(one).tries == 0


def test_what_is_taken_is_whole(bench: Bench) -> None:
    """The order of the batch doesn't matter, nor that its numbers have gaps."""
    mails = [bench.add() for _ in range(4)]
    bench.server.delete(mails[1][0])
    records = [record for _, record in mails]
    assert bench([records[3], records[0], records[2]]) == Missing()
    given: dict[int, Taken] = {item.record.id: item for item in bench.hands.taken}
    for one, record in (mails[0], mails[2], mails[3]):
        assert (given[record.id].message.raw, given[record.id].message.key) == (one.raw, record.key)


def test_the_verdict_is_that_of_the_row(bench: Bench) -> None:
    _, one = bench.add()
    verdict = Verdict(MailPath.JUNK)
    bench([replace(one, verdict=verdict)])
    assert [item.message.path for item in bench.hands.taken] == [MailPath.JUNK]
