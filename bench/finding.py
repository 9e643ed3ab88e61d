"""`find` in a mailbox of many messages, nearly all of which the journal has as handled."""

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

from bench import mail
from bench.options import Options
from bench.process import Measured, run, worker_command
from bench.report import Report, console
from bench.site import Site
from tests.rig.dovecot import Mailbox, Seed
from worker.commands.wiring.from_settings import senders_of
from worker.commands.wiring.shared import Parts
from worker.journal.records import NewMessage, Place, Result
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.settings import load

MESSAGES = 50_000
PROCESSED, AT_ONCE = "Processed", 5_000
RARE, RARELY = "rare.sender@gp.example.org", 10_000
"""A sender, and how seldom it writes: once in so many messages."""
QUESTIONS: dict[str, Sequence[str]] = {
    "part of a name, for the first time": ("--from", "Rare Sender"),
    "an address": ("--from", RARE),
    "part of a subject": ("--subject", "Zwölffingerdarm"),
    "part of a name": ("--from", "Rare Sender"),
    "what isn't there": ("--subject", "no such words"),
    "a minute": ("--since", "2026-03-02T08:00", "--until", "2026-03-02T08:01"),
}


@dataclass(frozen=True)
class Asked:
    """One question. searches: how many SEARCH commands each folder got at most. found: how many messages came."""

    what: str
    measured: Measured
    searches: int
    found: int


def ask(site: Site, count: int) -> Iterator[Asked]:
    """Ask each question of a mailbox with so many messages, by the command as people type it."""
    user = site.mailbox()
    user.append_many(PROCESSED, _handled(count))
    user.append_many("INBOX", _waiting(count))
    with site.proxy() as proxy:
        place = site.workplace(user, port=proxy.port)
        with closing(Parts(load(place.config, {}))) as parts:
            parts.open_journal()
            _enter(parts, user, count)
        for what, question in QUESTIONS.items():
            with proxy.measure() as used:
                measured = run(worker_command(place.config, "find", *question), accept=(0, 1))
            yield Asked(what, measured, most_searches(used.commands), measured.output.count("\n"))


def most_searches(commands: Sequence[str]) -> int:
    """How many SEARCH commands the folder got that got the most."""
    found = [0]
    for command in commands:
        if command.startswith(("SELECT", "EXAMINE")):
            found.append(0)
        found[-1] += "SEARCH" in command
    return max(found)


def _handled(count: int) -> Iterator[Seed]:
    """Mail that the worker has handled, a message each half minute; some of it from a rare sender."""
    generator = random.Random(count)
    for number in range(count):
        yield Seed(_letter(generator, number), received_at=mail.BEGAN + number * mail.BETWEEN)


def _waiting(count: int) -> Iterator[Seed]:
    """A few messages that came last, and that the worker hasn't taken up yet."""
    generator = random.Random(count + 1)
    for number in range(count, count + 20):
        yield Seed(_letter(generator, number), received_at=mail.BEGAN + number * mail.BETWEEN)


def _letter(generator: random.Random, number: int) -> bytes:
    raw = mail.plain(generator, number, 300)
    if number % RARELY == RARELY // 2:
        raw = re.sub(rb"From: [^\r]*", b"From: Rare Sender <" + RARE.encode() + b">", raw, count=1)
        raw = re.sub(rb"Subject: ", "Subject: Zwölffingerdarm, ".encode(), raw, count=1)
    return raw


def _enter(parts: Parts, user: Mailbox, count: int) -> None:
    """Enter the handled mail in the journal, as the worker does."""
    with user.client() as client:
        validity = int(client.folder_status(PROCESSED, "UIDVALIDITY")[b"UIDVALIDITY"])
    senders, fingerprints = senders_of(parts.settings), Fingerprints(user.address)
    messages, tries = parts.journal.messages, parts.journal.tries
    new: list[NewMessage] = []
    for uid, seed in enumerate(_handled(count), 1):
        headers, at = Headers.from_bytes(seed.raw), seed.received_at
        place, size = Place(PROCESSED, validity, uid), len(seed.raw)
        received = 0.0 if at is None else at.timestamp()
        mark = senders(headers).mark
        new.append(NewMessage(fingerprints.of(headers), place, size, received, Verdict(MailPath.CLEAN), sender=mark))
        if len(new) == AT_ONCE or uid == count:
            rows = messages.add(new, received)
            tries.record([Result(row.id, State.HANDLED, done=("archive",)) for row in rows], received)
            new.clear()


def measure(site: Site, report: Report, _options: Options) -> None:
    """Measure h: what became of a message, asked of a large mailbox."""
    with console.status(f"find, {MESSAGES:,} messages"):
        answers = list(ask(site, MESSAGES))
    for answer in answers:
        report.say(
            f"h  find {answer.what}, {MESSAGES:,} messages",
            f"{answer.measured.wall:.2f} s; {answer.searches} SEARCH a folder; {answer.found} found",
            "< 2 s, at most one SEARCH a folder",
            met=answer.measured.wall < 2 and answer.searches <= 1,
        )
    report.raw[f"find, {MESSAGES}"] = [asdict(answer) for answer in answers]
