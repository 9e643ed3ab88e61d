"""A rebuild reads what headers still tell: who sent handled mail, and what junk was for."""

from typing import Any

from sqlalchemy import delete, select

from tests.fakes.mailbox import FAILED, INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World, sender_of
from worker.classify import classify
from worker.journal.records import Record
from worker.journal.schema import known_sender, message
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.reconcile.rebuild import Rebuild

SPAM = b"X-Microsoft-Antispam: BCL:0;\r\nX-Forefront-Antispam-Report: CIP:1.2.3.4;SCL:9;CAT:HPHISH;\r\n"
"""Headers by which the junk filter says why."""


def judge(headers: Headers, in_junk_folder: bool, _keywords: frozenset[str]) -> Verdict:
    return classify(headers, in_junk_folder=in_junk_folder)


def rebuilt(world: World) -> dict[State, Record]:
    """The rows that a rebuild makes of an empty journal, by state."""
    with world.database.write() as connection:
        connection.execute(delete(message))
        connection.execute(delete(known_sender))
    session: Any = world.server.session()
    Rebuild(
        world.journal,
        world.walk(),
        handled=PROCESSED,
        failed=FAILED,
        junk=[JUNK],
        assume_handled_before=None,
        clock=world.clock,
        classify=judge,
        sender_of=sender_of,
    )(session)
    return {row.state: row for row in world.rows()}


def senders(world: World) -> list[str]:
    with world.database.read() as connection:
        return list(connection.execute(select(known_sender.c.sender).order_by(known_sender.c.sender)).scalars())


def test_senders_of_handled_mail_are_known_again_and_others_are_not() -> None:
    world = World()
    for sender, wanted in (("a", "ok"), ("b", "reject"), ("", "ok")):
        world.server.deliver(mail(wanted, sender=sender, serial=ord(sender or "c")), INBOX)
    world.server.deliver(mail(sender="d", junk=True), INBOX)
    world.drain()
    before = senders(world)
    assert {row.sender for row in rebuilt(world).values()} >= {"b", "d"}
    assert senders(world) == before == ["a"]


def test_junk_says_again_what_it_was_for() -> None:
    world = World()
    world.server.deliver(SPAM + mail(), JUNK)
    found = rebuilt(world)[State.JUNK].verdict
    assert found == classify(Headers.from_bytes(SPAM), in_junk_folder=True)
    assert {piece.value for piece in found.evidence if piece.counts} >= {"CAT:HPHISH"}


def test_a_dead_letter_whose_header_says_junk_stays_on_the_path_of_junk() -> None:
    world = World()
    world.server.deliver(SPAM + mail(serial=1), FAILED)
    assert rebuilt(world)[State.FAILED].verdict.path is MailPath.JUNK


def test_handled_mail_stays_clean_whatever_its_header_says() -> None:
    world = World()
    world.server.deliver(SPAM + mail(serial=1), PROCESSED)
    assert rebuilt(world)[State.HANDLED].verdict == Verdict(MailPath.CLEAN)
