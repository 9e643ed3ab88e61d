"""The lists against a real Dovecot: what narrows them, the forms they are printed in, and `failed retry --all`."""

import csv
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox, Seed
from tests.rig.letters import letter
from tests.rig.terminal import OnTerminal
from tests.rig.worker import Worker

MakeWorker = Callable[..., Worker]
FAILING = {"handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"}}
ROUTES: list[dict[str, Any]] = [
    {"name": "shop", "match": {"from": "*@shop.example.org"}, "handlers": ["failing"]},
    {"name": "lab", "match": {"attachment": "*.pdf"}, "handlers": ["failing"]},
    {"name": "all", "handlers": ["failing"]},
]
COUNT = 19


@pytest.fixture
def worker(dovecot: Mailbox, make_worker: MakeWorker) -> Worker:
    """Of 19 dead letters, each 10 of which two are of a shop, received hour by hour."""
    seeds, now = [], datetime.now(UTC)
    for number in range(COUNT):
        raw = letter(number)
        if number % 10 == 3:
            raw = raw.replace(b"results@lab", b"offers@shop")
        seeds.append(Seed(raw, received_at=now - timedelta(hours=COUNT - number)))
    dovecot.append_many("INBOX", seeds)
    worker = make_worker(routes=[dict(route) for route in ROUTES], settings=FAILING)
    assert worker.once() == 1
    return worker


def listed(worker: Worker, *options: str) -> list[list[str]]:
    answer = worker.command("failed", "list", *options)
    assert answer.code == 0, answer
    return [line.split("\t") for line in answer.out.splitlines()]


def test_dead_letters_are_narrowed_and_printed_for_programs(worker: Worker) -> None:
    lines = listed(worker)
    assert len(lines) == COUNT
    assert [line[0] for line in lines] == sorted((line[0] for line in lines), reverse=True)
    assert {tuple(line[4:]) for line in lines} == {("failing:Reject:never", "failing", "1")}

    shop = [line for line in lines if "shop" in line[2]]
    assert len(shop) == 2
    assert listed(worker, "--from", "OFFERS@SHOP") == shop
    assert listed(worker, "--route", "shop") == shop
    assert listed(worker, "--route", "all", "--route", "lab") == []
    assert listed(worker, "--subject", lines[4][3]) == [lines[4]]
    assert listed(worker, "--handler", "failing", "--reason", "reject", "--since", "4.5h") == lines[:4]
    assert listed(worker, "--handler", "quarantine") == []
    assert worker.command("failed", "list", "--limit", "4").err == (
        "4 messages. 15 older messages are not shown: `--limit 19` shows all.\n"
    )

    header, *cells = csv.reader(io.StringIO(worker.command("failed", "list", "--csv").out))
    assert header == ["received_at", "key", "from", "subject", "reason", "handler", "tries"]
    assert cells == lines
    objects = [json.loads(line) for line in worker.command("failed", "list", "--json").out.splitlines()]
    assert [[str(value) for value in one.values()] for one in objects] == lines


def test_all_of_one_handler_are_tried_again_by_one_command(worker: Worker) -> None:
    chosen = ("failed", "retry", "--all", "--handler", "failing")
    refused = worker.command(*chosen)
    assert (refused.code, refused.out) == (64, "")
    assert refused.err.startswith("19 dead letters to try again: 19 × failing:Reject:never.")
    assert worker.status()["messages"]["failed"] == COUNT

    assert worker.command(*chosen, "--from", "offers@shop", "--yes", "--reason", "the shop is mended").code == 0
    assert worker.status()["messages"]["failed"] == COUNT - 2
    assert worker.command(*chosen, "--yes").code == 0
    assert (worker.status()["messages"]["failed"], worker.status()["messages"]["pending"]) == (0, COUNT)

    dry = [line.split("\t") for line in worker.command("once", "--dry-run", "--route", "shop").out.splitlines()]
    assert [line[4:] for line in dry] == [["route 'shop': failing", "clean", "shop", "failing"]] * 2
    assert worker.command("once", "--route", "shop").code == 64

    worker.configure(
        **{"handler.failing": {"use": "tests.rig.handlers:Ledger", "file": str(worker.ledger), "how": None}}
    )
    assert worker.once() == 0
    assert len(worker.handed()) == COUNT


def test_a_terminal_of_any_width_shows_each_message_whole_and_asks(worker: Worker) -> None:
    def on_a_terminal(columns: int, *command: str | Path) -> OnTerminal:
        words = [sys.executable, "-m", "worker", *command, "--config", worker.config]
        return OnTerminal(words, env=worker.environment(), cwd=worker.folder, columns=columns)

    lines = listed(worker)
    for columns, each in ((60, 2), (120, 1)):
        with on_a_terminal(columns, "failed", "list") as terminal:
            assert terminal.ended() == 0
            shown = terminal.shown.splitlines()
        assert all(len(line) <= columns for line in shown)
        assert len(shown) == (COUNT + 1) * each + 1
        for received_at, key, sender, subject, reason, *_ in lines:
            (at,) = (number for number, line in enumerate(shown) if f"  {key[:8]}  " in line)
            message = " ".join(shown[at : at + each])
            assert message.startswith(received_at[:16].replace("T", " "))
            assert reason in message
            assert sender in message
            assert subject[:10] in message

    with on_a_terminal(60, "failed", "retry", "--all", "--since", "4.5h") as terminal:
        terminal.answer("Try all 4 of them again? [y/N]", "n")
        terminal.expect("Nothing was done.")
        assert terminal.ended() == 75
    assert worker.status()["messages"]["failed"] == COUNT
