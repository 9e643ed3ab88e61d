"""`command` with messages that are handled again: the program can tell."""

from pathlib import Path

from handlers.command import Command
from tests.unit.handlers.redeliveries import KEY, message
from worker.testing import Runner


def test_a_program_gets_the_count_in_a_variable(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["/bin/sh", "-c", f'echo "$MESSAGE_KEY $MESSAGE_REDELIVERY" >> {out}']
    with Runner(Command, {"command": command}) as runner:
        assert runner.deliver(message(0)).done
        assert runner.deliver(message(3)).done
    assert out.read_text() == f"{KEY} 0\n{KEY} 3\n"
