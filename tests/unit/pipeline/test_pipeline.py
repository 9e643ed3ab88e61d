"""The way of a message from the mailbox to its end, and what a poll reports."""

from typing import Any

from sqlalchemy import event

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import TRIES, World
from worker.message.outcome import State
from worker.message.verdict import MailPath


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
        assert world.server.folder_of(mails[name]) == ends[state], name
    assert_balanced(world, handled=3, failed=4)
    assert world.failures[f"notify {next(c.key for c in world.calls if b'X-Kind: always' in c.raw)}"] == TRIES


def test_a_handler_that_finished_is_not_called_again_because_another_failed(world: World) -> None:
    world.server.deliver(mail("twice"))
    world.drain()
    assert len(handed(world, "archive")) == 1
    assert len(handed(world, "notify")) == 3


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


def test_a_poll_that_finds_nothing_new_writes_nothing_of_the_mailbox(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    written: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "SELECT", "PRAGMA")):
            written.append(statement)

    with world.database.write() as connection:
        event.listen(connection.engine, "before_cursor_execute", note)
    world.tick()
    assert [statement for statement in written if " fact" not in statement] == []


def test_a_handler_that_finished_is_not_called_again_after_the_message_was_away(world: World) -> None:
    world = World(world.server, pause_after=1)
    # notify is paused by one that fails, and the next has archive done and waits
    world.server.deliver(mail("away"))
    world.tick()
    one = world.server.deliver(mail("ok"))
    world.tick(1)
    row = world.rows()[1]
    assert (row.state, row.reason) == (State.PENDING, "paused:notify")
    world.server.move(one, ELSEWHERE)
    for _ in range(3):
        world.tick(40)
    assert world.row(row.key).state is State.GONE
    world.server.move(one, INBOX)
    for _ in range(10):
        world.tick(400)
    assert world.row(row.key).state is State.HANDLED
    assert handed(world).count(row.key) == 1
