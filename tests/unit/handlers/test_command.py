"""What `command` says of a program that takes too long."""

import pytest

from handlers.command import Command
from worker.message.outcome import Retry
from worker.testing import make_message


def test_a_program_that_takes_too_long_may_do_so_for_the_message() -> None:
    handler = Command(Command.Settings.model_validate({"command": ["/bin/sleep", "9"], "timeout": 0.05, "grace": 0}))
    with pytest.raises(Retry) as caught:
        handler(make_message())
    assert caught.value.this_message
