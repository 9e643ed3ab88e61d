"""The whole way of a message, on a mailbox in memory, in simulated time."""

import io
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.types import EventDict

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Mail, Server, mail
from tests.fakes.world import ACCOUNT, DEATHS, TRIES, Fault, Killed, World
from worker.handling.pool import Finished
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.intents import Intents, Kind
from worker.journal.schema import message as message_table
from worker.logs import configure_logging
from worker.loop.drain import Drained, Paused
from worker.mailbox.errors import ConnectionLost
from worker.message.key import fingerprint
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.dispatch import Bounds, _batches
from worker.pipeline.outbox import SETTLE_AT_ONCE


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is for other tests: here it would be thousands of lines."""
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


@pytest.fixture
def logged() -> Iterator[Callable[[str], list[EventDict]]]:
    """The lines of an event."""
    configure_logging(level="info", format="json", stream=io.StringIO(), hooks=False)
    with capture_logs() as lines:
        yield lambda event: [line for line in lines if line["event"] == event]


@pytest.fixture(params=[("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")], ids=["move", "uidplus"])
def world(request: pytest.FixtureRequest) -> World:
    return World(Server(capabilities=request.param))


def handed(world: World, handler: str = "archive") -> list[str]:
    return [call.key for call in world.calls if call.handler == handler]


def assert_balanced(world: World, **counts: int) -> None:
    balance = world.balance()
    assert balance.unaccounted_keys == ()
    assert balance.seen == sum(world.states().values())
    for name, count in counts.items():
        assert getattr(balance, name) == count, balance


def test_clean_mail_is_handled_and_junk_takes_its_own_path(world: World) -> None:
    for _ in range(7):
        world.server.deliver(mail())
    world.server.deliver(mail(junk=True))
    world.server.deliver(mail(), JUNK)
    world.tick()
    assert len(set(handed(world))) == len(handed(world)) == 7
    assert all(call.path is MailPath.CLEAN for call in world.calls if call.handler != "quarantine")
    assert len(handed(world, "quarantine")) == 2
    assert len(world.server.folders[PROCESSED].mails) == 7
    assert len(world.server.folders[JUNK].mails) == 2
    assert not world.server.folders[INBOX].mails
    assert_balanced(world, handled=7, junk=2, missing=0)


def test_nothing_new_is_one_round_trip_a_folder(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    world.faults.record, world.faults.calls = True, []
    world.tick()
    assert [name for name in world.faults.calls if not name.startswith("journal.")] == ["idle_done", "status", "idle"]
    assert "journal.unsettled" not in world.faults.calls


def test_between_polls_the_inbox_is_selected_whichever_folder_had_the_news(world: World) -> None:
    for folder in (JUNK, INBOX):
        world.server.deliver(mail(), folder)
        world.tick()
        session = world.connector.current()
        assert session is not None
        assert session.selected == INBOX


def test_what_is_moved_from_one_watched_folder_to_another_is_missed_in_none(world: World) -> None:
    mails = [world.server.deliver(mail(), folder, bodiless=True) for folder in (INBOX, JUNK)]
    world.tick()
    world.server.move(mails[0], JUNK)
    world.server.move(mails[1], INBOX)
    world.tick()
    assert [row.missed for row in world.rows()] == [0, 0]


def test_the_nature_of_each_message_decides_its_end(world: World) -> None:
    kinds = {
        "ok": State.HANDLED,
        "reject": State.FAILED,
        "always": State.FAILED,
        "twice": State.HANDLED,
        "retry": State.HANDLED,
        "poison": State.FAILED,
        "unroutable": State.FAILED,
    }
    mails = {name: world.server.deliver(mail(name)) for name in kinds}
    world.drain()
    ends = {State.HANDLED: PROCESSED, State.FAILED: FAILED}
    for name, state in kinds.items():
        place = world.server.find(mails[name])
        assert place is not None
        assert place[0] == ends[state], name
    assert_balanced(world, handled=3, failed=4)
    assert world.failures[f"notify {next(c.key for c in world.calls if b'X-Kind: always' in c.raw)}"] == TRIES


def test_a_handler_that_finished_is_not_called_again_because_another_failed(world: World) -> None:
    world.server.deliver(mail("twice"))
    world.drain()
    assert len(handed(world, "archive")) == 1
    assert len(handed(world, "notify")) == 3


def test_look_alikes_are_messages_of_their_own(world: World) -> None:
    for _ in range(3):
        world.server.deliver(mail(serial=1))
    world.drain()
    keys = handed(world)
    assert sorted(keys) == [keys[0], f"{keys[0]}-2", f"{keys[0]}-3"]
    assert_balanced(world, handled=3)


@pytest.mark.parametrize("copyuid", [True, False])
def test_mail_that_comes_back_is_settled_again_and_not_handed_over(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    back = world.server.deliver(mail())
    world.drain()
    sessions = world.server.sessions
    world.server.move(back, INBOX)
    world.tick()
    assert len(handed(world)) == 1
    place = world.server.find(back)
    assert place is not None
    assert place[0] == PROCESSED
    assert world.server.sessions == sessions  # at once, and not by way of a new connection
    world.drain()
    assert_balanced(world, handled=1, missing=0)


def test_a_report_counts_over_all_folders_what_is_new_and_what_came_back(world: World) -> None:
    session: Any = world.connector.session()[0]
    world.pipeline.look_anew(connected=True)
    mails = [world.server.deliver(mail(), folder) for folder in (INBOX, INBOX, JUNK, JUNK, JUNK)]
    report = world.pipeline.poll(session)
    assert (report.new, report.moved_back) == (5, 0)
    for one in mails[:2]:
        world.server.move(one, INBOX)
    world.server.move(world.server.deliver(mail()), JUNK)
    report = world.pipeline.poll(session)
    assert (report.new, report.moved_back) == (1, 2)


def test_a_report_counts_over_all_folders_what_is_missing_and_what_has_no_header_yet(world: World) -> None:
    session: Any = world.connector.session()[0]
    world.pipeline.look_anew(connected=True)
    mails = [world.server.deliver(mail(), folder, bodiless=True) for folder in (INBOX, JUNK)]
    for folder in (INBOX, JUNK):
        world.server.deliver(mail(), folder, headless=True)
    report = world.pipeline.poll(session)
    assert (report.new, report.unread) == (2, 2)
    for one in mails:
        world.server.delete(one)
    report = world.pipeline.poll(session)
    assert (report.missed, report.gone) == (2, 0)
    report = world.pipeline.poll(session)
    assert (report.missed, report.gone) == (0, 2)


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([], []),
        ([3, 3, 3, 1], [[3, 3, 3], [1]]),
        ([5, 5, 1, 9, 2], [[5, 5], [1, 9], [2]]),
        ([11, 1, 30, 30, 9, 1, 1], [[11], [1], [30], [30], [9, 1], [1]]),
    ],
)
def test_batches_have_so_many_messages_and_bytes_at_most_and_one_message_at_least(
    sizes: list[int], batches: list[list[int]]
) -> None:
    records: Any = [SimpleNamespace(size=size) for size in sizes]
    found = _batches(records, Bounds(batch_bytes=10, batch_count=3, patience=1.0))
    assert [[record.size for record in batch] for batch in found] == batches


@pytest.mark.parametrize("hang", [False, True])
def test_no_more_bytes_are_in_hand_than_two_batches_have(world: World, hang: bool) -> None:
    world.bounds = Bounds(batch_bytes=10_000, batch_count=5, patience=1.0)
    world.hold = True
    if hang:
        world.hung.add("slow")
    world.start()
    for _ in range(12):
        world.server.deliver(mail("slow", body=b"x" * 3_500))
    world.tick()
    assert 10_000 < world.hands.most_bytes <= 20_000
    assert world.states() == ({State.PENDING: 12} if hang else {State.HANDLED: 12})


def test_what_is_due_in_two_folders_is_fetched_from_each(world: World) -> None:
    mails = [world.server.deliver(mail(), folder, bodiless=True) for folder in (INBOX, JUNK)]
    world.tick()
    for one in mails:
        one.bodiless = False
    world.tick(700)
    assert world.states() == {State.HANDLED: 1, State.JUNK: 1}
    assert [row.missed for row in world.rows()] == [0, 0]


@pytest.mark.parametrize("copyuid", [True, False])
def test_a_look_alike_with_other_content_is_not_taken_for_mail_that_was_deleted(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    first = world.server.deliver(mail(serial=7001, body=b"first\r\n"))
    world.drain()
    world.server.delete(first)
    second = world.server.deliver(mail(serial=7001, body=b"another content\r\n"))
    world.drain()
    assert [call.raw for call in world.calls if call.handler == "archive"] == [first.raw, second.raw]
    assert handed(world)[1] == f"{handed(world)[0]}-2"
    assert_balanced(world, handled=2, missing=1)


def test_handled_mail_is_known_again_in_a_renumbered_folder_though_its_size_is_estimated_anew(world: World) -> None:
    world.handled = "keep"
    world.start()
    for _ in range(3):
        world.server.deliver(mail())
    world.drain()
    world.server.renumber(INBOX)
    for one in world.server.all_mail(INBOX):
        one.size = 12_345
    world.drain()
    assert len(handed(world)) == 3
    assert_balanced(world, handled=3, missing=0)


@pytest.mark.parametrize("copyuid", [True, False])
def test_a_copy_of_handled_mail_is_a_message_of_its_own(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    first = world.server.deliver(mail())
    world.drain()
    world.server.copy(first, INBOX)
    world.drain()
    assert len(set(handed(world))) == 2
    assert_balanced(world, handled=2, missing=0)


def test_what_was_taken_away_is_gone_after_two_looks_and_taken_up_again(world: World) -> None:
    away = world.server.deliver(mail("retry"))
    world.tick()
    world.server.move(away, ELSEWHERE)
    world.tick(5)
    assert world.states() == {State.PENDING: 1}
    world.drain()
    assert world.states() == {State.GONE: 1}
    world.server.move(away, INBOX)
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert len({call.key for call in world.calls}) == 1


def test_of_what_was_taken_away_only_what_is_gone_is_told(world: World) -> None:
    first, second = (world.server.deliver(mail("retry")) for _ in range(2))
    world.tick()
    keys = [row.key for row in world.rows()]
    for taken, told in ((first, []), (second, keys[:1])):
        world.server.delete(taken)
        world.tick(5)
        assert world.told.keys_gone == told
    world.tick(5)
    assert world.told.keys_gone == keys


def test_a_message_that_two_looks_missed_and_that_shows_again_in_its_place_is_taken_up(world: World) -> None:
    hidden = world.server.deliver(mail("retry"))
    world.tick()
    folder = world.server.folders[INBOX]
    uid = next(iter(folder.mails))
    folder.take(uid)
    world.drain()
    assert world.states() == {State.GONE: 1}
    folder.put(hidden, uid)
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert len({call.key for call in world.calls}) == 1


def test_a_late_uid_below_others_is_found(world: World) -> None:
    late = world.server.reserve()
    world.server.deliver(mail())
    world.drain()
    world.server.deliver(mail(), uid=late)
    world.drain()
    assert world.states() == {State.HANDLED: 2}


def test_a_late_uid_waits_for_the_next_look_and_what_that_passes_over_is_unaccounted_for(world: World) -> None:
    world.handled = "keep"
    world.start()
    late = world.server.reserve()
    gone = world.server.deliver(mail())
    world.server.deliver(mail())
    world.drain()
    world.server.deliver(mail(), uid=late)
    for missing in (0, 1):
        balance = world.balance()
        assert (balance.pending, balance.missing, balance.unaccounted) == (1, missing, 0)
        if not missing:
            world.server.delete(gone)  # the count is as before
    world.drain()
    assert_balanced(world, handled=3, pending=0, missing=1)

    (row, *_) = [row for row in world.rows() if row.place.uid == late]
    with world.database.write() as connection:
        connection.execute(message_table.delete().where(message_table.c.id == row.id))
    assert world.balance().unaccounted_keys == (row.fingerprint,)


def test_what_search_misses_and_the_count_shows_is_found(world: World) -> None:
    world.server.deliver(mail(), unsearched=True)
    world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: 2}
    assert_balanced(world, handled=2)


def test_content_that_comes_late_is_waited_for(world: World) -> None:
    late = [world.server.deliver(mail(), headless=True), world.server.deliver(mail(), bodiless=True)]
    for _ in range(5):
        world.tick()
    assert handed(world) == []
    assert world.balance().pending == 2
    for one in late:
        one.headless = one.bodiless = False
    world.drain()
    assert world.states() == {State.HANDLED: 2}


def test_a_header_that_comes_late_is_seen_at_the_next_poll_though_nothing_else_changed(world: World) -> None:
    late = world.server.deliver(mail(), headless=True)
    world.tick()
    assert world.rows() == []
    late.headless = False
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def test_a_folder_to_be_looked_at_again_is_listed_and_no_other(world: World) -> None:
    world.tick()
    session, poll = world.server.session(), world.pipeline._poll
    session.select(INBOX)
    assert poll.look(session) == []  # type: ignore[arg-type] # the fake offers what is used
    for folder in (INBOX, JUNK):
        poll.look_again(folder)
        assert [look.folder for look in poll.look(session)] == [folder]  # type: ignore[arg-type] # as above
        session.select(INBOX)


def test_content_that_never_comes_is_a_dead_letter_after_an_hour_of_waiting(world: World) -> None:
    world.server.deliver(mail(), bodiless=True)
    started = world.clock.now
    while world.states()[State.FAILED] == 0:
        world.tick(120)
    assert 3600 <= world.clock.now - started < 3600 + 900


def test_a_header_that_never_comes_is_a_dead_letter_after_an_hour_of_waiting(world: World) -> None:
    unseen = world.server.deliver(mail(), headless=True)
    world.server.deliver(mail())
    started = world.clock.now
    while world.states()[State.FAILED] == 0:
        world.tick(120)
    assert 3600 <= world.clock.now - started < 3600 + 900
    assert [row.reason for row in world.rows() if row.state is State.FAILED] == ["header-not-shown"]
    assert len(handed(world)) == 1
    assert [one.raw for one in world.server.all_mail(FAILED)] == [unseen.raw]
    world.drain()
    assert_balanced(world, handled=1, failed=1)

    unseen.headless = False
    assert world.balance().unaccounted_keys == ()
    world.server.move(unseen, INBOX)  # a person, whose mail program shows it
    world.drain()
    assert world.states()[State.HANDLED] == 2
    assert len(handed(world)) == 2


def test_messages_without_a_header_are_never_taken_for_one(world: World) -> None:
    world.server.copyuid = False
    for _ in range(3):
        world.server.deliver(mail(), veiled=True)
        world.drain()
        for _ in range(10):
            world.tick(600)
    assert world.states() == {State.FAILED: 3}
    assert len(world.server.all_mail(FAILED)) == 3


def test_a_restart_does_not_begin_the_hour_of_waiting_for_a_header_anew(world: World) -> None:
    world.server.deliver(mail(), headless=True)
    shown = world.server.deliver(mail(), headless=True)
    started = world.clock.now
    for _ in range(20):
        world.tick(600)
        world.start()
        shown.headless = world.clock.now < started + 2000
        if world.states()[State.FAILED]:
            break
    assert 3600 <= world.clock.now - started < 3600 + 900
    assert world.states() == {State.FAILED: 1, State.HANDLED: 1}
    world.server.deliver(mail())
    world.drain()
    assert world.places.headerless(INBOX) == {}


def test_a_header_that_never_comes_of_a_message_that_is_taken_away_is_nothing(world: World) -> None:
    unseen = world.server.deliver(mail(), headless=True)
    world.tick()
    world.server.delete(unseen)
    world.drain()
    assert world.rows() == []


def test_waiting_for_content_begins_when_it_is_first_missed(world: World) -> None:
    old = world.server.deliver(mail("twice"))
    world.tick()
    world.clock.now += 86_400
    old.bodiless = True
    for _ in range(3):
        world.tick(400)
    assert world.states() == {State.PENDING: 1}
    old.bodiless = False
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_a_stand_in_is_waited_for_and_never_handled(world: World) -> None:
    raw = (
        mail()
        .replace(b"From: lab@lab.nhs.uk", b"From: Microsoft Exchange Server <server@nhs.net>")
        .replace(b"Subject: ", b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 1")
        .replace(b"hello", b"The server couldn't retrieve the following message:")
    )
    world.server.deliver(raw)
    world.tick()
    assert world.states() == {State.PENDING: 1}
    world.drain()
    assert world.states() == {State.FAILED: 1}
    assert world.calls == []


def test_an_oversize_message_is_a_dead_letter_and_never_handed_over(world: World) -> None:
    world.server.deliver(mail(body=b"x" * 60_000))
    world.server.deliver(mail(body=b"x" * 60_000), size=10)  # the size is an estimate
    world.drain()
    assert world.states() == {State.FAILED: 2}
    assert world.calls == []


def test_an_oversize_dead_letter_that_was_taken_away_and_is_retried_is_gone(world: World) -> None:
    taken, left = (world.server.deliver(mail(body=b"x" * 60_000)) for _ in range(2))
    world.drain()
    world.server.delete(taken)
    for row in world.rows():
        world.journal.reopen(row.id)
    world.drain()
    assert [row.state for row in world.rows()] == [State.GONE, State.FAILED]
    assert world.server.find(left) is not None
    assert_balanced(world, gone=1, failed=1)


def test_poison_that_was_taken_away_and_is_retried_is_gone(world: World) -> None:
    taken = world.server.deliver(mail("poison"))
    world.drain()
    world.server.delete(taken)
    (row,) = world.rows()
    world.journal.reopen(row.id)
    for _ in range(DEATHS):
        world.tries.died_with(row)
    world.drain()
    assert world.states() == {State.GONE: 1}


@pytest.mark.parametrize("folder", [INBOX, JUNK])
def test_a_uidvalidity_change_hands_nothing_over_again_and_skips_nothing(world: World, folder: str) -> None:
    world.handled = "keep"
    world.start()
    for _ in range(3):
        world.server.deliver(mail(), folder)
        world.server.deliver(mail("retry", serial=10**9), folder)
    world.tick()
    keys = {row.key for row in world.rows()}
    world.server.renumber(folder)
    world.server.deliver(mail(), folder)
    world.drain()
    assert len({row.key for row in world.rows()} - keys) == 1
    first = "archive" if folder == INBOX else "quarantine"
    plain = [call.key for call in world.calls if call.handler == first and b"X-Kind: ok" in call.raw]
    assert len(plain) == len(set(plain)) == 4
    assert len(world.rows()) == 7
    assert world.states()[State.PENDING] == 0
    assert_balanced(world)


def test_a_uidvalidity_change_is_reported_once(world: World) -> None:
    log = io.StringIO()
    world.tick()
    world.server.deliver(mail())
    world.tick()
    world.server.renumber(INBOX)
    configure_logging(level="warning", format="json", stream=log, hooks=False)
    world.tick()
    world.server.deliver(mail())
    world.tick()
    assert log.getvalue().count("mailbox.uidvalidity_changed") == 1


def numbered_anew(world: World, *mails: Mail) -> None:
    """The mailbox was moved to another server: the same UIDVALIDITY, and the same numbers for other messages."""
    folder = world.server.folders[INBOX]
    folder.mails.clear()
    world.server.folders[ELSEWHERE].mails.clear()
    folder.uidnext, folder.changes = 1, folder.changes + 1
    for one in mails:
        folder.put(one)
    world.connector.close()


def test_a_folder_that_comes_back_with_the_same_uidvalidity_skips_nothing(world: World) -> None:
    log = io.StringIO()
    configure_logging(level="warning", format="json", stream=log, hooks=False)
    world.handled = "keep"
    world.start()
    old = [world.server.deliver(mail()) for _ in range(3)]
    world.drain()
    numbered_anew(world, world.server.deliver(mail(), ELSEWHERE), old[1])
    world.start()
    world.drain()
    assert len(handed(world)) == len(set(handed(world))) == 4
    assert log.getvalue().count("mailbox.folder_replaced") == 1
    assert_balanced(world, handled=4, missing=2)


@pytest.mark.parametrize("told", [True, False], ids=["fewer", "no fewer"])
def test_mail_is_never_handed_over_under_the_key_of_another(world: World, told: bool) -> None:
    old = world.server.deliver(mail("retry"))
    others = 3 if told else 0
    for _ in range(others):
        world.server.deliver(mail())
    world.tick()
    key = world.rows()[0].key
    new = [world.server.deliver(mail(), ELSEWHERE) for _ in range(2)]
    numbered_anew(world, new[0], old, *new[1:])
    world.drain()
    for call in world.calls:
        assert call.key.startswith(fingerprint(ACCOUNT, Headers.from_bytes(call.raw)))
    assert {one.raw for one in new} < {call.raw for call in world.calls}
    assert world.row(key).state is State.HANDLED
    assert_balanced(world, handled=3 + others)


def test_what_is_in_hand_when_its_folder_is_replaced_moves_nobody_elses_mail(world: World) -> None:
    world.hold = True
    world.start()
    world.hung.add("slow")
    old = world.server.deliver(mail("slow"))
    world.server.deliver(mail())
    world.tick()
    other = world.server.deliver(mail(), ELSEWHERE)
    numbered_anew(world, other)
    world.hung.clear()
    world.tick()
    world.hands.end_hang()
    world.drain()
    assert len(handed(world)) == 3
    assert [one.raw for one in world.server.all_mail(PROCESSED)].count(other.raw) == 1
    assert old.raw not in [one.raw for one in world.server.all_mail()]
    assert_balanced(world, handled=3, missing=1)


def test_a_server_that_shows_a_header_otherwise_than_in_the_message_keeps_nobody(world: World) -> None:
    """What says which message it is is the header as it is shown by itself."""
    one = world.server.deliver(mail("retry"))
    one.other_in_full = one.raw.replace(b"Subject: ", b"Subject: [external] ")
    world.drain()
    assert world.states() == {State.HANDLED: 1}


@pytest.mark.parametrize("there", [INBOX, JUNK])
def test_pending_mail_between_inbox_and_junk_is_judged_anew(world: World, there: str) -> None:
    here = JUNK if there == INBOX else INBOX
    moved = world.server.deliver(mail("retry"), here)
    world.tick()
    world.server.move(moved, there)
    world.drain()
    assert world.states() == ({State.HANDLED: 1} if there == INBOX else {State.JUNK: 1})
    assert len({call.key for call in world.calls}) == 1
    assert_balanced(world)


@pytest.mark.parametrize("there", [INBOX, JUNK])
def test_mail_moved_between_inbox_and_junk_while_in_hand(world: World, there: str) -> None:
    """What comes back from the wrong path does not decide, so that a false positive isn't lost."""
    world.hung.add("slow")
    world.start()
    here = JUNK if there == INBOX else INBOX
    moved = world.server.deliver(mail("slow"), here)
    world.tick()
    assert len(world.hands) == 1
    world.server.move(moved, there)
    world.tick()
    world.hung.clear()
    world.hands.end_hang()
    world.drain()
    assert "archive" in [call.handler for call in world.finished]
    assert world.states() == {State.HANDLED: 1}
    assert_balanced(world)


def in_hand_as_junk(world: World) -> Mail:
    """A message that the junk path's handler has, and gives back later."""
    world.hung.add("slow")
    world.start()
    junk = world.server.deliver(mail("slow"), JUNK)
    world.tick()
    assert len(world.hands) == 1
    return junk


def comes_back(world: World) -> None:
    world.hung.clear()
    world.hands.end_hang()
    world.drain()


@pytest.mark.parametrize("copyuid", [True, False])
def test_what_is_released_while_the_junk_handler_has_it_is_handled_as_clean(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    in_hand_as_junk(world)
    world.release(world.rows()[0].key)
    world.tick()
    comes_back(world)
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]
    assert world.states() == {State.HANDLED: 1}
    assert len(world.server.folders[PROCESSED].mails) == 1
    assert_balanced(world, handled=1, missing=0)


def test_a_release_at_which_the_connection_is_lost_holds_too(world: World) -> None:
    def lose(name: str) -> None:
        if name == "present":
            world.server.before = lambda _name: None
            raise ConnectionLost("the connection to the mail server was lost")

    in_hand_as_junk(world)
    world.release(world.rows()[0].key)
    world.server.before = lose
    world.tick()
    comes_back(world)
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]
    assert_balanced(world, handled=1, missing=0)


def test_what_a_move_releases_while_the_junk_handler_has_it_is_handled_as_clean(world: World) -> None:
    world.move_releases = True
    junk = in_hand_as_junk(world)
    world.server.move(junk, INBOX)
    world.tick()
    assert world.told.keys_moved_out == {world.rows()[0].key}
    comes_back(world)
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]
    assert_balanced(world, handled=1, missing=0)


@pytest.mark.parametrize("by_a_person", [True, False])
def test_a_release_by_a_move_ends_with_the_move_back_and_a_persons_does_not(by_a_person: bool) -> None:
    """A zero-hour purge moves mail both ways: the second move is the provider's word too."""
    world = World(move_releases=True)
    junk = world.server.deliver(mail("retry"), JUNK)
    world.drain()
    if by_a_person:
        world.release(world.rows()[0].key)
    else:
        world.server.move(junk, INBOX)
    world.tick(1)
    assert world.server.find(junk)[0] == INBOX  # type: ignore[index]
    assert [(row.state, row.released) for row in world.rows()] == [(State.PENDING, True)]
    world.server.move(junk, JUNK)
    world.drain()
    (row,) = world.rows()
    assert (row.state, row.released) == ((State.HANDLED, True) if by_a_person else (State.JUNK, False))
    assert_balanced(world)


def test_a_dead_letter_that_left_the_junk_folder_again_is_retried_as_clean(world: World) -> None:
    dead = world.server.deliver(mail("reject"))
    world.drain()
    (row,) = world.rows()
    for folder in (JUNK, INBOX):
        world.server.move(dead, folder)
        world.drain()
    assert world.server.find(dead)[0] == FAILED  # type: ignore[index]
    before = len(world.calls)
    world.retry(row.key)
    world.drain()
    assert [call.handler for call in world.calls[before:]] == ["notify"]
    assert_balanced(world, failed=1)


def test_what_the_junk_path_comes_to_is_nothing_once_the_row_says_clean(world: World) -> None:
    """Whoever has changed the row, told or not: else it would be junk that no release can open."""
    in_hand_as_junk(world)
    (row,) = world.rows()
    world.journal.reopen(row.id, verdict=Verdict(MailPath.CLEAN), released_at=world.clock())
    comes_back(world)
    assert world.states() == {State.HANDLED: 1}


def test_junk_whose_path_says_clean_can_be_released(world: World) -> None:
    """A row as an earlier version could leave it."""
    world.server.deliver(mail(), JUNK)
    world.drain()
    (row,) = world.rows()
    world.journal.noted([(row.id, Verdict(MailPath.CLEAN))])
    world.release(row.key)
    world.drain()
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]


def test_a_neighbour_of_poison_is_not_dead_lettered(world: World) -> None:
    neighbours = [world.server.deliver(mail()) for _ in range(4)]
    poison = [world.server.deliver(mail("poison")) for _ in range(2)]
    neighbours += [world.server.deliver(mail()) for _ in range(4)]
    world.drain()
    assert world.states() == {State.HANDLED: 8, State.FAILED: 2}
    assert all(world.server.find(mail_)[0] == FAILED for mail_ in poison)  # type: ignore[index]
    assert world.deaths <= 2 * DEATHS + 2
    assert_balanced(world, handled=8, failed=2)


def test_a_message_that_hangs_does_not_stop_others_and_is_not_settled(world: World) -> None:
    world.hung.add("slow")
    world.start()
    slow = world.server.deliver(mail("slow"))
    world.tick()
    world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: 1, State.PENDING: 1}
    assert world.server.find(slow) == (INBOX, 1)
    world.hung.clear()
    world.hands.end_hang()
    world.drain()
    assert world.states() == {State.HANDLED: 2}
    assert len(handed(world)) == 2


def test_suspects_are_tried_one_at_a_time_beside_a_message_that_hangs(world: World) -> None:
    world.hold = True
    world.poison = lambda message: b"X-Kind: later" in message.raw and world.deaths == 0
    world.start()
    world.server.deliver(mail("slow"))
    world.server.deliver(mail("later"))
    world.server.deliver(mail())
    world.tick()
    assert world.deaths == 1
    world.hung.add("slow")
    world.hands.most = 0
    for _ in range(3):
        world.tick()
    assert world.hands.most == 2
    assert world.states() == {State.HANDLED: 2, State.PENDING: 1}
    world.hung.clear()
    world.hands.hold = False
    world.hands.end_hang()
    world.drain()
    assert world.states() == {State.HANDLED: 3}


def test_what_hangs_is_waited_for_once(world: World) -> None:
    world.hung.add("slow")
    world.start()
    waits: list[float] = []
    finished = world.hands.finished

    def count(wait: float) -> list[Finished]:
        if wait > 0:
            waits.append(wait)
        return finished(wait)

    world.hands.finished = count  # type: ignore[method-assign]
    world.server.deliver(mail("slow"))
    world.tick()
    assert len(waits) == 1
    for _ in range(3):
        world.server.deliver(mail())
        world.tick()
    assert len(waits) == 1
    assert world.states() == {State.HANDLED: 3, State.PENDING: 1}
    world.hung.clear()
    world.hands.end_hang()
    world.drain()
    assert world.states() == {State.HANDLED: 4}


def one_at_a_time(world: World) -> None:
    """Each wait ends with the first handler that returns."""
    hands = world.hands
    finished, hands.hold = hands.finished, True

    def first(wait: float) -> list[Finished]:
        if wait > 0:
            hands._came_back.update(hands.rows()[:1])
        return finished(0)

    hands.finished = first  # type: ignore[method-assign]


def test_a_handler_that_returns_after_others_is_waited_for(
    world: World, logged: Callable[[str], list[EventDict]]
) -> None:
    for _ in range(5):
        world.server.deliver(mail())
    one_at_a_time(world)
    world.tick()
    assert world.states() == {State.HANDLED: 5}
    assert len(world.server.folders[PROCESSED].mails) == 5
    assert logged("handler.stuck") == []


def test_while_others_hang_it_is_told_how_many(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    world.hung.add("slow")
    world.start()
    for kind in ("slow", "ok", "slow"):
        world.server.deliver(mail(kind))
    world.tick()
    assert logged("handler.stuck") == [{"event": "handler.stuck", "count": 2, "log_level": "error"}]


def test_what_comes_back_in_great_numbers_is_moved_before_the_rest_is_waited_for(world: World) -> None:
    world.hold = True
    world.hung.add("slow")
    world.start()
    finished, moved = world.hands.finished, []

    def watched(wait: float) -> list[Finished]:
        if wait > 0:
            moved.append(len(world.server.folders[PROCESSED].mails))
        return finished(wait)

    world.hands.finished = watched  # type: ignore[method-assign]
    for _ in range(SETTLE_AT_ONCE):
        world.server.deliver(mail())
    world.server.deliver(mail("slow"))
    world.tick()
    assert moved == [0, SETTLE_AT_ONCE]


def test_a_death_beside_a_message_that_hangs_counts_for_the_one_that_was_tried(world: World) -> None:
    world.hold = True
    world.poison = lambda message: b"X-Kind: later" in message.raw
    world.start()
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.server.deliver(mail("later"))
    for _ in range(4 * DEATHS):
        world.tick()
    assert world.states() == {State.FAILED: 1, State.PENDING: 1}
    world.hung.clear()
    world.hands.hold = False
    world.hands.end_hang()
    world.drain()
    assert world.states() == {State.FAILED: 1, State.HANDLED: 1}


def test_stops_beside_a_message_that_hangs_are_no_deaths(world: World) -> None:
    world.hung.add("slow")
    slow = world.server.deliver(mail("slow"))
    world.tick()
    for _ in range(DEATHS + 2):
        world.lease_hold.end(0.0)
        world.start()
        world.tick()
    assert [(row.state, row.deaths) for row in world.rows()] == [(State.PENDING, 0)]
    assert world.server.find(slow) == (INBOX, 1)


def test_a_death_beside_others_that_were_handed_over_is_not_counted_for_what_hangs_alone(world: World) -> None:
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    world.start()  # killed: the slow one is tried alone, and hangs
    world.poison = lambda message: b"X-Kind: bad" in message.raw
    world.server.deliver(mail("bad"))
    world.tick()
    assert world.deaths == 1
    world.tick()
    assert [row.deaths for row in world.rows()] == [0, 0]


def test_a_death_alone_counts_however_long_it_took(world: World) -> None:
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    for _ in range(DEATHS + 2):
        world.start()  # killed by it, long after it was given up waiting for
        world.tick()
    assert world.states() == {State.FAILED: 1}


@pytest.mark.parametrize("quirk", ["breaks", "refused"])
def test_a_message_at_whose_fetch_the_server_hangs_up_or_refuses_stops_nobody(world: World, quirk: str) -> None:
    world.server.deliver(mail())
    bad = world.server.deliver(mail())
    setattr(bad, quirk, True)
    world.server.deliver(mail())
    for _ in range(12):
        world.tick(30)
    assert world.states()[State.HANDLED] == 2
    world.drain()
    assert world.states() == {State.HANDLED: 2, State.FAILED: 1}
    assert world.server.find(bad)[0] == FAILED  # type: ignore[index]


@pytest.mark.parametrize("count", [1, 7])
def test_a_message_that_the_server_refuses_to_move_stops_nobody(world: World, count: int) -> None:
    stays = world.server.deliver(mail(), nailed=True)
    for _ in range(count - 1):
        world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: count}
    world.server.deliver(mail())
    for _ in range(10):
        world.tick()
    assert world.states() == {State.HANDLED: count + 1}
    assert world.server.all_mail(INBOX) == [stays]
    assert world.server.sessions == 1
    assert_balanced(world, handled=count + 1, missing=0)

    stays.nailed = False
    world.drain()
    assert not world.server.folders[INBOX].mails
    assert len(handed(world)) == count + 1
    assert world.server.sessions == 2  # the other one is the balance's
    assert_balanced(world, handled=count + 1, missing=0)


def test_a_target_that_takes_nothing_stops_nobody(world: World) -> None:
    """As the mailbox that is full."""
    for _ in range(40):
        world.server.deliver(mail(), nailed=True)
    world.tick()
    world.server.deliver(mail())
    world.faults.record = True
    for _ in range(10):
        world.tick()
    assert world.states() == {State.HANDLED: 41}
    assert world.server.sessions == 1
    assert sum(name in ("move", "copy") for name in world.faults.calls) < 30
    for one in world.server.all_mail(INBOX):
        one.nailed = False
    world.drain()
    assert_balanced(world, handled=41, missing=0)
    assert len(handed(world)) == 41


def test_a_target_that_is_not_there_ends_the_connection(world: World) -> None:
    """A new one makes it anew."""
    world.tick()
    there = world.server.folders.pop(PROCESSED)
    world.server.deliver(mail())
    world.tick()
    world.server.folders[PROCESSED] = there
    world.drain()
    assert world.server.sessions == 2
    assert_balanced(world, handled=1, missing=0)


def test_a_message_that_was_refused_and_is_taken_away_is_asked_for_no_more(world: World) -> None:
    stays = world.server.deliver(mail(), nailed=True)
    world.tick()
    world.server.move(stays, ELSEWHERE)
    world.drain()
    world.faults.record, world.faults.calls = True, []
    for _ in range(3):
        world.tick()
    assert not {"move", "copy", "search"} & set(world.faults.calls)
    assert_balanced(world, handled=1, missing=1)


def test_a_message_of_which_the_server_refuses_the_header_stops_nobody(world: World) -> None:
    veiled = world.server.deliver(mail(), veiled=True)
    for _ in range(3):
        world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: 3}
    for _ in range(12):
        world.tick(400)
    assert world.states() == {State.HANDLED: 3, State.FAILED: 1}
    assert world.server.find(veiled)[0] == FAILED  # type: ignore[index]
    assert world.server.sessions == 1
    world.start()
    world.drain()
    assert_balanced(world, handled=3, failed=1, missing=0)


def test_where_the_server_shows_no_header_at_all_no_message_is_given_up(world: World) -> None:
    unseen = [world.server.deliver(mail(), veiled=True) for _ in range(20)]
    for _ in range(12):
        world.tick(400)
    assert world.rows() == []
    for one in unseen:
        one.veiled = False
    world.drain()
    assert world.states() == {State.HANDLED: 20}


def asked(world: World) -> Intents:
    """People can ask for retries."""
    return world.intents


def test_a_dead_letter_that_the_server_refuses_to_bring_back_is_handled_from_where_it_lies(world: World) -> None:
    dead = world.server.deliver(mail("reject"))
    world.drain()
    world.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    world.server.all_mail(FAILED)[0].nailed = True
    intents = asked(world)
    intents.ask(Kind.RETRY, [world.rows()[0].key], reason="mended", actor="a person", now=world.clock())
    world.server.deliver(mail())
    sessions = world.server.sessions
    for _ in range(3):
        world.tick()
    assert world.states() == {State.HANDLED: 2}
    assert intents.open() == []
    world.server.all_mail(FAILED)[0].nailed = False
    world.drain()
    assert not world.server.folders[FAILED].mails
    assert world.server.sessions == sessions
    assert_balanced(world, handled=2, missing=0)


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("meanwhile", ["", "renumbered", "taken", "folder gone"])
def test_settling_is_resumed_in_folders_that_are_not_watched(copied: bool, meanwhile: str) -> None:
    """As of a dead letter that is handled from where it lies, as there is no MOVE."""
    world = World(Server(capabilities=["UIDPLUS", "IDLE"]))
    dead = world.server.deliver(mail("reject"))
    world.drain()
    world.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    asked(world).ask(Kind.RETRY, [world.rows()[0].key], reason="mended", actor="a person", now=world.clock())

    def die(name: str) -> None:
        if name == "copy":
            raise Killed

    setattr(world.server, "after" if copied else "before", die)
    world.tick()
    assert world.deaths == 1
    world.server.before = world.server.after = lambda _name: None
    assert [(row.state, row.settled, row.place.folder) for row in world.rows()] == [(State.HANDLED, False, FAILED)]
    match meanwhile:
        case "renumbered":
            world.server.renumber(FAILED)
        case "taken":
            world.server.move(world.server.all_mail(FAILED)[0], ELSEWHERE)
        case "folder gone":
            del world.server.folders[FAILED]
    world.drain()
    assert [row.settled for row in world.rows()] == [True]
    assert not (meanwhile != "folder gone" and world.server.folders[FAILED].mails)
    assert len(world.server.folders[PROCESSED].mails) == (1 if copied or meanwhile in ("", "renumbered") else 0)
    assert (len(handed(world)), len(handed(world, "notify"))) == (1, 2)


@pytest.mark.parametrize("renumbered", [False, True])
def test_a_look_alike_that_lies_in_the_target_is_not_taken_for_a_copy_of_ours(renumbered: bool) -> None:
    world = World(Server(capabilities=["UIDPLUS", "IDLE"]))
    raw = mail(junk=True)
    settled = world.server.deliver(raw)
    world.tick()
    assert world.server.find(settled) == (JUNK, 1)
    alike = [world.server.deliver(raw) for _ in range(3)]

    def die(name: str) -> None:
        if name == "copy":
            raise Killed

    world.server.before = die
    world.tick()
    world.server.before = lambda _name: None
    assert world.deaths == 1
    world.server.move(alike[0], JUNK)
    if renumbered:
        world.server.renumber(JUNK)
    world.drain()
    assert len(world.server.folders[JUNK].mails) == 4
    assert_balanced(world, junk=4, missing=0)


def test_outcomes_are_kept_while_the_journal_is_away(world: World) -> None:
    for _ in range(5):
        world.server.deliver(mail())
    for calls in range(40):
        world.faults.planned = Fault(calls, False, JournalUnavailable)
        world.tick()
    world.drain()
    assert world.states() == {State.HANDLED: 5}
    assert len(handed(world)) == 5
    assert_balanced(world, handled=5)


def test_what_arrived_while_the_journal_was_away_is_found_at_the_next_poll(world: World) -> None:
    world.tick()
    world.server.deliver(mail())
    world.faults.planned = Fault(0, False, JournalUnavailable)
    world.tick()
    world.faults.planned = None
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def test_mail_that_comes_while_another_folder_is_selected_is_found_at_the_next_poll(world: World) -> None:
    world.tick()
    world.server.deliver(mail(), JUNK)
    came: list[str] = []

    def deliver(name: str) -> None:
        if name == "bodies" and not came:
            came.append(name)
            world.server.deliver(mail())

    world.server.after = deliver
    world.tick()
    assert came
    world.tick()
    assert world.states() == {State.HANDLED: 1, State.JUNK: 1}


@pytest.mark.parametrize("copyuid", [True, False])
def test_a_dead_letter_that_search_misses_is_found_for_its_retry(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    world.server.deliver(mail("twice"))
    world.drain()
    dead = world.server.deliver(mail("reject"))
    world.drain()
    dead.unsearched = True
    (row,) = [row for row in world.rows() if row.state is State.FAILED]
    world.journal.reopen(row.id)
    for _ in range(4):
        world.tick(700)
    assert world.row(row.key).state is State.FAILED, "tried again, and refused again"
    assert len([call for call in world.calls if call.key == row.key and call.handler == "notify"]) == 2
    assert_balanced(world, handled=1, failed=1, gone=0)


def test_a_dead_letter_that_lies_where_it_is_said_to_be_gone_from_is_a_finding(world: World) -> None:
    world.server.deliver(mail("reject"))
    world.server.deliver(mail())
    world.drain()
    (dead,) = [row for row in world.rows() if row.state is State.FAILED]
    world.journal.reopen(dead.id)
    world.places.missed([dead.id], gone_after=1, now=world.clock())
    balance = world.balance()
    assert (balance.unaccounted_keys, balance.gone, balance.seen) == ((dead.key,), 0, 2)

    world.server.move(world.server.all_mail(FAILED)[0], INBOX)
    world.drain()
    assert_balanced(world, handled=1, failed=1, gone=0)

    filed = world.server.deliver(mail("retry"))
    world.tick()
    world.server.move(filed, PROCESSED)  # a person did by hand what the worker hadn't done yet
    for _ in range(3):
        world.tick(4000)
    assert_balanced(world, handled=1, failed=1, gone=1)


def test_pending_mail_of_a_folder_that_is_gone_and_not_watched_stops_nobody() -> None:
    world = World(Server(folders=["Results"]))
    world.watched_folders = (INBOX, "Results")
    world.start()
    world.server.deliver(mail("retry"), "Results")
    world.tick()
    world.watched_folders = (INBOX,)
    world.start()
    del world.server.folders["Results"]
    world.server.deliver(mail())
    world.tick(1000)
    assert world.states()[State.HANDLED] == 1
    world.drain()
    assert world.states() == {State.HANDLED: 1, State.GONE: 1}


def test_pending_mail_of_a_folder_that_is_not_watched_is_handled_from_where_it_lies(world: World) -> None:
    """As a retried dead letter is whose place the server never told."""
    world.server.copyuid = False
    dead = world.server.deliver(mail("reject"))
    world.drain()
    (row,) = world.rows()
    assert (row.place.folder, row.place.uid) == (FAILED, None)
    dead.raw = world.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    world.journal.reopen(row.id)
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert [one.origin for one in world.server.all_mail(PROCESSED)] == [dead.origin]
    assert_balanced(world, handled=1, missing=0)


def test_what_handlers_could_not_bring_to_the_disk_is_not_done(world: World) -> None:
    world.server.deliver(mail())

    def full() -> None:
        raise OSError("no space")

    world.flush = full
    world.tick()
    assert world.states() == {State.PENDING: 1}
    assert not world.server.folders[PROCESSED].mails
    world.flush = lambda: None
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert len(handed(world)) == 2


def test_a_stop_records_and_settles_what_is_in_hand(world: World) -> None:
    world.hold = True
    world.start()
    for _ in range(3):
        world.server.deliver(mail())
    world.tick()
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    world.lease_hold.stop()
    world.hung.clear()
    world.hands.end_hang()
    world.lease_hold.end(10.0)
    assert world.states() == {State.HANDLED: 4}
    assert len(world.server.folders[PROCESSED].mails) == 4


@pytest.mark.parametrize("grace", [0.5, 10.0])
def test_a_stop_waits_for_a_handler_that_returns_within_the_grace_period(
    world: World, grace: float, logged: Callable[[str], list[EventDict]]
) -> None:
    world.hung.add("slow")
    world.start()
    world.server.deliver(mail("slow"))
    world.tick()
    finished, waits = world.hands.finished, []

    def slowly(wait: float) -> list[Finished]:
        """The first wait is broken off; during the second the handler returns."""
        waits.append(wait)
        world.clock.now += grace * 0.4
        if len(waits) == 2:
            world.hung.clear()
            world.hands.end_hang()
        return finished(wait)

    world.hands.finished = slowly  # type: ignore[method-assign]
    world.lease_hold.end(grace)
    assert waits == [pytest.approx(grace), pytest.approx(grace * 0.6, rel=1e-4)]
    assert world.states() == {State.HANDLED: 1}
    assert len(world.server.folders[PROCESSED].mails) == 1
    assert logged("worker.left_in_hand") == []


def test_a_stop_tells_how_many_are_left_in_hand(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    world.hung.add("slow")
    world.start()
    for kind in ("slow", "ok", "slow"):
        world.server.deliver(mail(kind))
    world.tick()
    world.lease_hold.end(0.0)
    assert logged("worker.left_in_hand") == [{"event": "worker.left_in_hand", "count": 2, "log_level": "error"}]


def delete_old(world: World, *, days: int = 40) -> None:
    """So many days later, handled mail is deleted that is older than thirty."""
    world.clock.now += days * 86_400
    world.even_clock()
    world.delete_handled_after = timedelta(days=30)
    world.cycle._full_look_at = 0.0
    world.tick()
    world.delete_handled_after = None


def deleted(world: World) -> list[bool]:
    return [row.is_deleted for row in world.rows()]


@pytest.mark.parametrize("copyuid", [True, False])
def test_handled_mail_is_deleted_after_its_time(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    for _ in range(3):
        world.server.deliver(mail())
    world.drain()
    delete_old(world)
    assert world.server.all_mail(PROCESSED) == []
    assert deleted(world) == [True, True, True]
    assert_balanced(world, handled=3, missing=0)


def test_handled_mail_that_is_too_young_is_not_deleted(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    for _ in range(2):
        world.server.deliver(mail())
    world.drain()
    delete_old(world, days=29)
    assert deleted(world) == [False, False]
    assert logged("mailbox.handled_deleted") == []
    young = world.server.deliver(mail())
    world.drain()
    delete_old(world, days=2)
    assert deleted(world) == [True, True, False]
    assert world.server.find(young) is not None
    assert len(world.server.all_mail(PROCESSED)) == 1
    assert logged("mailbox.handled_deleted") == [{"event": "mailbox.handled_deleted", "count": 2, "log_level": "info"}]


def test_a_copy_of_mail_that_the_worker_deleted_is_a_message_of_its_own(world: World) -> None:
    first = world.server.deliver(mail())
    world.drain()
    kept = world.server.copy(first, ELSEWHERE)
    delete_old(world)
    world.server.move(kept, INBOX)
    world.drain()
    assert len(handed(world)) == len(set(handed(world))) == 2
    assert_balanced(world, handled=2, missing=0)


def test_only_what_was_deleted_is_marked_so_and_what_was_renumbered_is_found(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    world.server.renumber(PROCESSED)
    world.server.deliver(mail())
    taken = world.server.deliver(mail())
    world.drain()
    world.server.delete(taken)
    stranger = world.server.deliver(mail(), PROCESSED)
    delete_old(world)
    assert world.server.all_mail(PROCESSED) == [stranger]
    assert deleted(world) == [True, True, False]
    assert_balanced(world, handled=3, missing=1)


def test_what_has_another_number_now_is_never_deleted_in_its_stead(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    folder = world.server.folders[PROCESSED]
    (uid,) = folder.mails
    folder.take(uid)
    stranger = world.server.deliver(mail(), PROCESSED, uid=uid)
    for _ in range(2):
        delete_old(world)
    assert world.server.all_mail(PROCESSED) == [stranger]
    assert deleted(world) == [False]


def test_handled_mail_that_somebody_moved_elsewhere_is_not_deleted(world: World) -> None:
    moved = world.server.deliver(mail())
    world.drain()
    world.server.move(moved, JUNK)
    world.drain()
    delete_old(world)
    assert world.server.all_mail(JUNK) == [moved]
    assert deleted(world) == [False]


@pytest.mark.parametrize("refused", ["select", "delete"])
def test_a_folder_that_is_gone_or_refuses_keeps_no_other_from_being_deleted(world: World, refused: str) -> None:
    world.handled = "Done"
    world.server.folders["Done"] = world.server._new_folder()
    world.start()
    world.server.deliver(mail())
    world.drain()
    world.handled = PROCESSED
    world.start()
    world.server.deliver(mail())
    world.drain()
    sessions = world.server.sessions
    if refused == "select":
        del world.server.folders["Done"]
    else:
        world.server.refusing.add(("delete", "Done"))
    delete_old(world)
    assert world.server.all_mail(PROCESSED) == []
    assert deleted(world) == [False, True]
    assert world.server.sessions == sessions
    assert world.cycle.trouble is None


def test_paused_nothing_is_handed_over_and_resumed_all_is(world: World) -> None:
    facts = Facts(world.database)
    facts.pause("a person", 0.0)
    world.server.deliver(mail())
    for _ in range(3):
        world.tick()
    assert world.rows() == []
    facts.resume()
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def pause_at(world: World, calls: int) -> Facts:
    """A person pauses while the n-th message is with its handlers."""
    facts, handle = Facts(world.database), world.hands._attempt
    begun: list[str] = []

    def attempt(message: Message, already_done: Collection[str]) -> Outcome:
        begun.append(message.key)
        if len(begun) == calls:
            facts.pause("a person", world.clock())
            world.clock.now += 2
        return handle(message, already_done)

    world.hands._attempt = attempt
    return facts


def test_a_pause_holds_in_the_midst_of_a_poll(world: World) -> None:
    for _ in range(30):
        world.server.deliver(mail())
    facts = pause_at(world, 5)
    world.tick()
    assert len(handed(world)) <= 2 * world.bounds.batch_count  # what was fetched is with the handlers
    assert not world.server.folders[PROCESSED].mails
    for _ in range(3):
        world.tick()
    done = world.states()[State.HANDLED]
    assert done == len(handed(world))  # what came of them is written down, and nothing is moved
    assert not world.server.folders[PROCESSED].mails
    assert world.server.sessions == 1

    facts.resume()
    world.drain()
    assert len(handed(world)) == 30
    assert_balanced(world, handled=30, missing=0)


def test_a_drain_that_is_paused_says_so(world: World) -> None:
    for _ in range(30):
        world.server.deliver(mail())
    pause_at(world, 5)
    with pytest.raises(Paused):
        world.mailbox_drain.run(Drained())
    world.lease_hold.end(10.0)
    assert world.states()[State.HANDLED] == len(handed(world)) <= 2 * world.bounds.batch_count
    assert not world.server.folders[PROCESSED].mails


def test_a_stop_while_paused_records_what_was_in_hand_and_moves_nothing(world: World) -> None:
    world.hold = True
    world.start()
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    facts = Facts(world.database)
    facts.pause("a person", world.clock())
    world.clock.now += 2
    world.hung.clear()
    world.hands.end_hang()
    world.lease_hold.end(10.0)
    assert world.states() == {State.HANDLED: 1}
    assert not world.server.folders[PROCESSED].mails

    facts.resume()
    world.start()
    world.drain()
    assert len(handed(world)) == 1
    assert_balanced(world, handled=1, missing=0)


def test_in_a_pause_what_comes_back_is_recorded_and_the_rest_is_not_waited_for(world: World) -> None:
    world.hung.add("slow")
    world.start()
    world.server.deliver(mail("slow"))
    world.tick()
    Facts(world.database).pause("a person", world.clock())
    finished, waits = world.hands.finished, []

    def watched(wait: float) -> list[Finished]:
        waits.append(wait)
        return finished(wait)

    world.hands.finished = watched  # type: ignore[method-assign]
    world.tick()
    assert world.states() == {State.PENDING: 1}
    world.hung.clear()
    world.hands.end_hang()
    world.tick()
    assert world.states() == {State.HANDLED: 1}
    assert waits == [0, 0]
    assert not world.server.folders[PROCESSED].mails


def test_a_wait_that_a_stop_ends_is_no_hang(world: World) -> None:
    log = io.StringIO()
    configure_logging(level="error", format="json", stream=log, hooks=False)
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    finished = world.hands.finished

    def stopped_meanwhile(wait: float) -> list[Finished]:
        if wait > 0:
            world.lease_hold.stop()
        return finished(wait)

    world.hands.finished = stopped_meanwhile  # type: ignore[method-assign]
    world.tick()
    assert "handler.stuck" not in log.getvalue()


def test_without_the_lease_nothing_is_done(world: World) -> None:
    world.server.deliver(mail())
    world.lease.held = False
    for _ in range(3):
        world.tick()
    assert world.rows() == []
    assert world.server.sessions == 0
    world.lease.held = True
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def test_older_mail_than_since_is_left_alone(world: World) -> None:
    world.since = datetime(2024, 1, 1, tzinfo=UTC)
    world.start()
    old = world.server.deliver(mail(), received_at=world.since.timestamp() - 86_400)
    missed = world.server.deliver(mail(), received_at=world.since.timestamp(), unsearched=True)
    world.server.deliver(mail(), received_at=world.since.timestamp() + 86_400)
    world.drain()
    assert world.states() == {State.HANDLED: 2}
    assert world.server.find(old) == (INBOX, 1)
    assert world.server.find(missed) != (INBOX, 2)
    assert_balanced(world, handled=2)


def test_headers_alone_are_fetched_where_no_handler_wants_more(world: World) -> None:
    world.headers_only = True
    world.start()
    world.start()
    world.server.deliver(mail(junk=True))
    world.tick()
    (call,) = world.calls
    assert b"hello" not in call.raw
    assert world.states() == {State.JUNK: 1}


# -- what is told


def lines(logged: Callable[[str], list[EventDict]], event: str) -> list[EventDict]:
    return [
        {name: value for name, value in line.items() if name not in ("event", "log_level")} for line in logged(event)
    ]


def test_what_was_taken_away_is_told_of(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    taken = [world.server.deliver(mail("retry")) for _ in range(2)]
    world.tick()
    for one in taken:
        world.server.delete(one)
    world.drain()
    assert lines(logged, "message.gone") == [{"count": 2}]


def test_headers_that_are_not_shown_are_told_of(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    for _ in range(2):
        world.server.deliver(mail(), headless=True)
    world.server.deliver(mail())
    world.tick()
    assert lines(logged, "mailbox.header_not_shown") == [{"count": 2, "folder": INBOX}]


def test_what_comes_back_is_told_of(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    back, junk = world.server.deliver(mail()), world.server.deliver(mail(), JUNK)
    world.drain()
    world.server.move(back, INBOX)
    world.server.move(junk, INBOX)
    world.drain()
    (handled, released) = [row.key for row in world.rows()]
    assert lines(logged, "message.moved_back") == [{"key": handled, "folder": INBOX}]
    assert lines(logged, "message.rejudged") == [{"key": released, "folder": INBOX}]


def test_suspects_are_told_of(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    world.server.deliver(mail("poison"))
    world.server.deliver(mail())
    for _ in range(3):
        world.tick()
    assert lines(logged, "message.suspects") == [{"count": 2, "alone": 0}, {"count": 2, "alone": 1}]


def test_a_folder_that_is_another_one_is_told_of(world: World, logged: Callable[[str], list[EventDict]]) -> None:
    world.handled = "keep"
    world.start()
    kept, _gone = world.server.deliver(mail()), world.server.deliver(mail())
    world.drain()
    world.server.renumber(INBOX)
    world.drain()
    assert lines(logged, "mailbox.uidvalidity_changed") == [{"folder": INBOX}]
    numbered_anew(world, kept)
    world.drain()
    assert lines(logged, "mailbox.folder_replaced") == [{"folder": INBOX}]


# -- the fault matrix: every call of the journal and of the session, before and after it


KINDS = ("ok", "ok", "twice", "reject")


def _run(world: World) -> None:
    for name in KINDS:
        world.server.deliver(mail(name))
    world.server.deliver(mail(serial=5 * 10**8))
    world.server.deliver(mail(serial=5 * 10**8))
    world.server.deliver(mail(junk=True))
    world.server.deliver(mail(), JUNK)
    world.tick()


def _points(capabilities: tuple[str, ...]) -> int:
    world = World(Server(capabilities=capabilities))
    world.faults.record = True
    _run(world)
    return len(world.faults.calls)


CAPABILITIES = pytest.mark.parametrize(
    "capabilities", [("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")], ids=["move", "uidplus"]
)
FAULTS = pytest.mark.parametrize("what", [Killed, ConnectionLost, JournalUnavailable])
WHEN = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


def _struck_at(
    point: int, capabilities: tuple[str, ...], what: type[BaseException], *, after: bool, told: bool
) -> None:
    world = World(Server(capabilities=capabilities))
    world.server.copyuid = told
    world.faults.planned = Fault(point, after, what)
    _run(world)
    world.drain()
    assert world.states() == {State.HANDLED: 5, State.FAILED: 1, State.JUNK: 2}, point
    assert len(world.server.all_mail(PROCESSED)) == 5, point
    assert len(world.server.all_mail()) == 8, point
    assert_balanced(world, handled=5, failed=1, junk=2, missing=0)


@CAPABILITIES
@FAULTS
@WHEN
def test_fault_at_every_fifth_call(capabilities: tuple[str, ...], what: type[BaseException], after: bool) -> None:
    for point in range(len(what.__name__) % 5, _points(capabilities), 5):
        _struck_at(point, capabilities, what, after=after, told=point % 2 == 0)


@pytest.mark.slow
@CAPABILITIES
@FAULTS
@WHEN
@pytest.mark.parametrize("told", [True, False], ids=["copyuid", "no-copyuid"])
def test_fault_at_every_call(capabilities: tuple[str, ...], what: type[BaseException], after: bool, told: bool) -> None:
    for point in range(_points(capabilities)):
        _struck_at(point, capabilities, what, after=after, told=told)
