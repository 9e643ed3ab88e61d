"""The whole way of a message, on a mailbox in memory, in simulated time."""

import io
from datetime import UTC, datetime

import pytest

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import DEATHS, TRIES, Fault, Killed, World
from worker.hands import Finished
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.mailbox.errors import ConnectionLost
from worker.observe import configure_logging
from worker.outcome import State
from worker.verdict import Path


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is for other tests: here it would be thousands of lines."""
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


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
    assert all(call.path is Path.CLEAN for call in world.calls if call.handler != "quarantine")
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
    world.server.move(back, INBOX)
    world.drain()
    assert len(handed(world)) == 1
    place = world.server.find(back)
    assert place is not None
    assert place[0] == PROCESSED
    assert_balanced(world, handled=1, missing=0)


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
        world.journal.died_with(row, alone=True)
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
    world.cycle.stop()
    world.hung.clear()
    world.hands.end_hang()
    world.cycle.end(10.0)
    assert world.states() == {State.HANDLED: 4}
    assert len(world.server.folders[PROCESSED].mails) == 4


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
    world.server.deliver(mail(junk=True))
    world.tick()
    (call,) = world.calls
    assert b"hello" not in call.raw
    assert world.states() == {State.JUNK: 1}


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
