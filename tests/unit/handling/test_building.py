"""How a handler is built from a function, an object or a class, and what it declares."""

from typing import Any

import pytest

from worker.handling.building import built
from worker.message.message import Message
from worker.testing import Runner, make_message


class Away(Exception): ...


class Filing:
    outages = (Away,)

    def __call__(self, message: Message) -> None:
        raise Away if message.subject == "away" else ValueError


def function(_message: Message) -> None: ...


def test_a_class_or_a_function_declares_its_outages() -> None:
    assert built("one", Filing, None).outages == (Away,)
    assert built("one", Filing(), None).outages == (Away,)
    assert built("one", function, None).outages == ()


@pytest.mark.parametrize("declared", [Away, [Away], "Away", ("Away",), (int,), (BaseException,), None])
def test_what_cannot_be_outages_is_a_fault_of_the_handler(declared: Any) -> None:
    class Wrong(Filing):
        outages = declared

    with pytest.raises(TypeError, match="outages must be a tuple of exception classes"):
        built("one", Wrong, None)


def test_an_author_sees_whether_an_error_is_an_outage() -> None:
    with Runner(Filing, show_errors=False) as runner:
        assert runner.deliver(make_message(subject="away")).outage
        assert not runner.deliver(make_message()).outage
