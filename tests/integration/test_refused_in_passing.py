"""What a person types, while the server refuses one of the IMAP commands in passing, or ends the connection there.

The exit code and the text are those of the documentation, and never those of a fault of ours. Typed again, the command
does what it should.
"""

import random
from collections.abc import Callable, Sequence
from itertools import count, cycle, islice, product
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters, spam
from tests.rig.proxy import Action, Answer, Cut, Inject, Proxy
from tests.rig.worker import Answer as Said
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
DONE, FINDING, UNREACHABLE, NOT_NOW, CONFIGURATION = 0, 1, 69, 75, 78
REFUSALS: dict[str, Sequence[Action]] = {
    "no": [Answer("{tag} NO Command failed.")],
    "bug": [Answer("{tag} NO [SERVERBUG] Internal error occurred.")],
    "unavailable": [Answer("{tag} NO Server Unavailable. 15")],
    "throttled": [Answer("{tag} BAD Request is throttled. Suggested Backoff Time: 90000 milliseconds")],
    "not connected": [Answer("{tag} BAD User is authenticated but not connected.")],
    "bad": [Answer("{tag} BAD Internal server error.")],
    "line": [Inject("Server Unavailable. 15"), Cut()],
    "bye": [Inject("* BYE Connection is closed. 13"), Cut()],
    "end": [Cut()],
    "reset": [Cut(reset=True)],
}
COMMANDS = {
    "find TEXT": ["find", "Report"],
    "find KEY": ["find", "--key", "HANDLED"],
    "junk list": ["junk", "list"],
    "junk show": ["junk", "show", "JUNK"],
    "failed list": ["failed", "list"],
    "failed show": ["failed", "show", "FAILED"],
    "reconcile": ["reconcile"],
    "once, dry": ["once", "--dry-run"],
    "check": ["check", "--connect"],
    "handle": ["handle", "HANDLED", "--reason", "the archive was lost"],
    "handle at one": ["handle", "HANDLED", "--only", "ledger", "--reason", "the archive was lost"],
    "release": ["junk", "release", "JUNK", "--reason", "it is a report"],
    "retry": ["failed", "retry", "FAILED", "--reason", "it is corrected"],
    "once": ["once"],
    "compact": ["journal", "compact"],
}
ROUTES: list[dict[str, Any]] = [
    {"name": "bad", "match": {"subject": "Refused*"}, "handlers": ["failing"], "waits": ["1ms"]},
    {"name": "all", "handlers": ["ledger"], "waits": ["1ms"]},
]
ADVICE = ("Try again", "try again", "Recorded.", "check whether it still exists")
SOME, MANY = 30, 200
"""Messages in each state: each command that writes asks for one of its own."""
_numbers = count(10_000)


class Desk:
    """A worker that has handled mail, has junk and dead letters, and a person who types commands."""

    def __init__(self, mailbox: Mailbox, proxy: Proxy, make_worker: MakeWorker, size: int) -> None:
        self._mailbox = mailbox
        self._proxy = proxy
        self.worker = make_worker(
            proxy,
            routes=ROUTES,
            settings={
                "poll": {"reconnect": ["10ms"]},
                "handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"},
            },
        )
        mailbox.append_many("INBOX", [*letters(size), *(_refused(number) for number in range(2000, 2000 + size))])
        mailbox.append_many(JUNK, [spam(number) for number in range(4000, 4000 + size)])
        assert self.worker.once() == FINDING
        self._await_the_end()

    def commands(self, words: Sequence[str]) -> list[str]:
        """The IMAP commands that this takes if all goes well."""
        self._new_mail(words)
        with self._proxy.measure() as used:
            said = self._typed(words)
        assert said.code in (DONE, FINDING, NOT_NOW if "once" in words else DONE), said
        return used.commands

    def refused(self, words: Sequence[str], number: int, how: str) -> Said:
        """The answer of a command whose IMAP command of this number is refused."""
        self._new_mail(words)
        rule = self._proxy.on("", *REFUSALS[how], skip=number)
        try:
            return self._typed(words)
        finally:
            rule.remove()

    def is_settled(self) -> bool:
        """Let the worker do what was asked for and what was left open. Returns whether nothing was lost by it."""
        assert self.worker.once() in (DONE, FINDING, NOT_NOW)
        balance, waiting = self.worker.reconcile(), "SELECT count(*) FROM message WHERE next_at IS NOT NULL"
        ((waits,),) = self.worker.rows(waiting)  # a message whose fetch was refused is tried again in five minutes
        return (balance["pending"], balance["unaccounted"], balance["missing"]) == (waits, 0, 0)

    def _typed(self, words: Sequence[str]) -> Said:
        said = self.worker.command(*(self._key(word.lower()) if word in STATES else word for word in words))
        self._await_the_end()
        return said

    def _await_the_end(self) -> None:
        """The worker doesn't wait until its LOGOUT has arrived, which would be taken for one of the next commands."""
        eventually(lambda: self._proxy.open_connections == 0, what="the end of the connections")

    def _new_mail(self, words: Sequence[str]) -> None:
        """Give `once` something to do."""
        if "once" in words:
            number = next(_numbers)
            self._mailbox.append_many("INBOX", [letter(number), _refused(number + 100_000)])

    def _key(self, state: str) -> str:
        """A message in this state that nobody has asked for yet, if there is one."""
        ((key,),) = self.worker.rows(
            f"SELECT message.key FROM message LEFT JOIN intent ON intent.key = message.key WHERE state = '{state}' "  # noqa: S608 -- a word of ours
            "ORDER BY coalesce(intent.id, 0) LIMIT 1"
        )
        return str(key)


STATES = ("HANDLED", "JUNK", "FAILED")


def _refused(number: int) -> bytes:
    return letter(number).replace(b"Subject: Report", b"Subject: Refused")


MakeDesk = Callable[[int], Desk]


@pytest.fixture
def make_desk(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> MakeDesk:
    return lambda size: Desk(dovecot, proxy, make_worker, size)


def first_after_login(commands: Sequence[str]) -> int:
    """The number of the first command that isn't a part of the login, to which the first one after it belongs."""
    return next(number for number, command in enumerate(commands) if command.startswith("LIST")) + 1


def allowed(how: str) -> set[int]:
    """What a command may end with: its work was done, if perhaps not all of it was shown, or it wasn't now."""
    if how == "no":
        return {DONE, FINDING, NOT_NOW, CONFIGURATION}  # nobody knows that it passes: a folder may be closed for good
    return {DONE, FINDING, NOT_NOW} if how in ("bug", "throttled") else {DONE, FINDING, NOT_NOW, UNREACHABLE}


def check(desk: Desk, words: Sequence[str], draws: Sequence[tuple[int, str]]) -> None:
    for number, how in draws:
        said = desk.refused(words, number, how)
        where = f"{how} at the command {number}: {said}"
        assert said.code in allowed(how), where
        assert "no longer" not in f"{said.out}{said.err}".lower(), where  # the mail is where it was
        assert said.code in (DONE, FINDING) or any(words in said.err for words in ADVICE), where
    assert desk.worker.status()["login"]["failures"] == 0


def anywhere(desk: Desk, words: Sequence[str]) -> range:
    """The numbers of the IMAP commands that can be refused."""
    commands = desk.commands(words)
    return range(first_after_login(commands), len(commands))


def test_a_command_that_is_refused_in_passing_is_no_fault_of_ours(make_desk: MakeDesk) -> None:
    """One draw for each command; the slow and the long tests have the others."""
    desk, chance = make_desk(2 * len(COMMANDS)), random.Random(17)
    for words in COMMANDS.values():
        check(desk, words, [chance.choice(list(product(anywhere(desk, words), REFUSALS)))])
    assert desk.is_settled()


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_refused_anywhere_is_no_fault_of_ours(make_desk: MakeDesk, name: str) -> None:
    desk, words = make_desk(SOME), COMMANDS[name]
    first = sorted(COMMANDS).index(name)  # so that many ways meet each kind of IMAP command
    hows = islice(cycle(REFUSALS), first, None)
    check(desk, words, list(zip(anywhere(desk, words), hows, strict=False)))
    desk.commands(words)
    assert desk.is_settled()


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_refused_anywhere_in_any_way_is_no_fault_of_ours(make_desk: MakeDesk, name: str) -> None:
    desk, words = make_desk(MANY), COMMANDS[name]
    check(desk, words, list(product(anywhere(desk, words), REFUSALS)))
    desk.commands(words)
    assert desk.is_settled()
