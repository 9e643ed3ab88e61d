"""What a dry run goes by: what the journal holds of a message, and the message as the rules would be given it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.mailbox import INBOX, JUNK, mail
from tests.fakes.world import ACCOUNT, Routes, World
from tests.fakes.world import classify as usual
from worker.mailbox.folders import Layout
from worker.message.key import Fingerprints, fingerprint
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.preview import Foreseen, Preview

LIMITS = Limits(message=5_000, parts=3)
AT = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
FLAG = "$Phishing"
FLAGGED = Evidence("keyword", None, FLAG, "somebody flagged it", counts=True)


class Asked(Routes):
    """Notes each message that it is asked about, and how much was expected of its fetch."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.expected: list[int] = []

    def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        self.messages.append(message)
        _ = message.text  # as a rule that reads it: over a limit, it raises
        return super().handlers_for(message)


def by_keyword(headers: Headers, in_junk_folder: bool, keywords: frozenset[str]) -> Verdict:
    """Junk is what somebody has flagged, besides."""
    verdict = usual(headers, in_junk_folder, keywords)
    return Verdict(MailPath.JUNK, (*verdict.evidence, FLAGGED)) if keywords else verdict


def foreseen(world: World, asked: Asked | None = None) -> list[Foreseen]:
    asked = asked or Asked()
    session: Any = world.server.session()
    fetch = session.bodies

    def bodies(wanted: Any, *, cap: int, expected: int) -> Any:
        asked.expected.append(expected)
        return fetch(wanted, cap=cap, expected=expected)

    session.bodies = bodies
    layout = Layout(world.watched_folders, JUNK)
    preview = Preview(
        messages=world.journal,
        poll=world.journal_parts().poll(layout, None),
        whereabouts=world.journal_parts().whereabouts,
        fingerprints=Fingerprints(ACCOUNT),
        marks=world.marks,
        layout=layout,
        classify=by_keyword,
        routes=asked,
        limits=LIMITS,
    )
    return list(preview.foresee(session))


@pytest.mark.parametrize("path", MailPath)
def test_a_pending_message_takes_the_path_that_the_journal_holds(path: MailPath) -> None:
    """Whatever the rules say now: a drain doesn't ask them again."""
    world = World()
    world.server.deliver(mail("retry", junk=path is MailPath.CLEAN))
    world.tick()
    (row,) = world.rows()
    world.journal.judged([(row.id, Verdict(path))])
    assert [one.path for one in foreseen(world)] == [path]
    before = len(world.calls)
    world.tick(700)
    assert {call.path for call in world.calls[before:]} == {path}


def test_a_released_message_that_was_taken_away_and_is_junk_again_is_clean() -> None:
    world = World()
    junk = world.server.deliver(mail("retry"), JUNK)
    world.drain()
    world.release(world.rows()[0].key)
    world.tick()
    uid = next(iter(world.server.folders[INBOX].mails))
    world.server.folders[INBOX].take(uid)
    for _ in range(3):
        world.tick(60)
    assert world.states() == {State.GONE: 1}
    world.server.folders[JUNK].put(junk)
    assert [(one.key, one.path) for one in foreseen(world)] == [(world.rows()[0].key, MailPath.CLEAN)]


def test_a_message_that_was_taken_away_and_is_back_is_judged_anew() -> None:
    world = World()
    sent = world.server.deliver(mail("retry"))
    world.tick()
    world.server.delete(sent)
    for _ in range(3):
        world.tick(60)
    assert world.states() == {State.GONE: 1}
    world.server.folders[JUNK].put(sent)
    assert [(one.key, one.path) for one in foreseen(world)] == [(world.rows()[0].key, MailPath.JUNK)]


def test_what_was_done_before_says_its_path() -> None:
    world = World(handled="keep")
    world.server.deliver(mail())
    world.server.deliver(mail(), JUNK)
    world.drain()
    world.server.renumber(INBOX)
    world.server.renumber(JUNK)
    assert [(one.path, one.outcome) for one in foreseen(world)] == [
        (MailPath.CLEAN, "nothing more: handled before"),
        (MailPath.JUNK, "route 'junk': quarantine"),
    ]


def test_the_rules_are_asked_about_the_message_as_a_drain_would_hand_it_over() -> None:
    world, asked = World(), Asked()
    clean = world.server.deliver(mail(), received_at=AT.timestamp())
    world.server.deliver(mail(), JUNK, received_at=AT.timestamp() + 60)
    world.server.deliver(mail(), received_at=AT.timestamp(), keywords=frozenset({FLAG}))
    seen = foreseen(world, asked)
    assert [one.path for one in seen] == [MailPath.CLEAN, MailPath.JUNK, MailPath.JUNK]
    first, second, third = asked.messages
    assert [one.key for one in asked.messages] == [one.key for one in seen]
    assert first.key == fingerprint(ACCOUNT, Headers.from_bytes(clean.raw))
    assert [one.folder for one in asked.messages] == [INBOX, INBOX, JUNK]
    assert [one.received_at for one in asked.messages] == [AT, AT, AT.replace(minute=31)]
    assert first.raw == clean.raw
    assert b"hello" not in second.raw + third.raw, "junk is judged by its headers alone"
    assert [one.value for one in second.evidence] == [FLAG]
    assert asked.expected == [len(clean.raw)]


@pytest.mark.parametrize(("size", "outcome"), [(5_000, "route 'all'"), (5_001, "dead letter")])
def test_a_message_of_just_the_largest_size_is_foreseen_as_handled(size: int, outcome: str) -> None:
    world = World()
    raw = mail(body=b"")
    world.server.deliver(raw + b"x" * (size - len(raw)))
    assert [one.outcome.partition(":")[0] for one in foreseen(world)] == [outcome]


def test_a_message_over_a_limit_of_the_settings_is_foreseen_as_a_dead_letter() -> None:
    world = World()
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    head = (
        mail(body=b"").removesuffix(b"\r\n") + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
    )
    for count in (2, 3):
        world.server.deliver(head + b"\r\n" + part * count + b"--b--\r\n")
    assert [one.outcome for one in foreseen(world)] == [
        "route 'all': archive, notify",
        "dead letter: MessageOverLimit:parts",
    ]


def test_what_is_seen_of_a_message_goes_along_with_its_routes_and_handlers() -> None:
    world = World()
    known = world.server.deliver(mail("retry"), received_at=AT.timestamp())
    world.tick()
    known.headless = True
    world.server.deliver(mail(), headless=True)
    world.server.deliver(mail(body=b"x" * 6_000), received_at=AT.timestamp())
    world.server.deliver(mail(), JUNK, received_at=AT.timestamp())
    found = {(one.received_at, one.sender, one.routes, one.handlers) for one in foreseen(world)}
    assert found == {
        (AT.timestamp(), None, (), ()),  # no header is shown, but the journal knows it
        (None, None, (), ()),
        (AT.timestamp(), "lab@lab.nhs.uk", (), ()),  # too large for any handler
        (AT.timestamp(), "lab@lab.nhs.uk", ("junk",), ("quarantine",)),
    }
    assert all((one.subject or "result").startswith("result") for one in foreseen(world))
