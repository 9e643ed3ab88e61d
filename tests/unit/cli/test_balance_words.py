"""What `reconcile` says under its table: what each word means, what missing is, and what a person might do."""

from pathlib import Path
from typing import Any

import pytest

from worker.cli.balance_words import WORDS, balance_lines
from worker.cli.tables import print_balance
from worker.logs.typed import configuration_named
from worker.reconcile.balance import Balance

KEY = "a" * 26


def balance(**more: Any) -> Balance:
    given: dict[str, Any] = {"handled": 3, "junk": 1, "failed": 0, "gone": 0, "pending": 0, "missing": 0}
    return Balance(**({"unaccounted_keys": ()} | given | more))


def said(**more: Any) -> str:
    return "\n".join(balance_lines(balance(**more)))


def test_every_word_of_the_table_is_explained() -> None:
    numbers = [name for name, value in balance().as_json().items() if isinstance(value, int)]
    assert list(WORDS) == numbers


def test_seen_is_the_sum_of_the_next_six() -> None:
    found = balance(failed=5, gone=6, pending=7, missing=100, unexplained=50, unaccounted_keys=(KEY,)).as_json()
    assert found["seen"] == sum(int(str(found[name])) for name in list(WORDS)[1:7])


@pytest.mark.parametrize(
    ("number", "begins"),
    [
        (1, "1 message is missing. The worker was done with it, and somebody has moved or deleted it since."),
        (2, "2 messages are missing. The worker was done with them, and somebody has moved or deleted them since."),
    ],
)
def test_missing_is_explained_as_information(number: int, begins: str) -> None:
    text = said(missing=number)
    assert begins in text
    assert "That isn't a finding" in text
    assert "You need do nothing." in text
    assert "Every message is accounted for." in text


def test_nothing_is_said_of_what_there_is_not() -> None:
    assert said().endswith("\n\nEvery message is accounted for.")


def test_what_is_unaccounted_for_is_named_by_key() -> None:
    text = said(unaccounted_keys=(KEY,))
    assert f"1 message is unaccounted for, by key:\n  {KEY}\n" in text
    assert "accounted for." not in text.partition(KEY)[2]


def test_mail_of_another_worker_is_acknowledged_by_a_command_as_it_is_typed_here() -> None:
    with configuration_named(Path("/etc/ward.toml")):
        text = said(unexplained=1)
    assert "1 message has come to the folder of handled mail, and this worker didn't move it there." in text
    assert text.endswith('\n    nhsmail-worker reconcile --acknowledge --reason "…" --config /etc/ward.toml')


def test_the_words_stand_under_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_balance(balance(missing=1))
    out = capsys.readouterr().out
    assert out.index("│ missing") < out.index("  missing:") < out.index("1 message is missing.")


def test_the_words_fit_a_terminal_of_80_columns() -> None:
    assert max(map(len, balance_lines(balance()))) <= 80
