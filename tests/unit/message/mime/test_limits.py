"""What is blamed on a message: everything but what no message can cause."""

import errno
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from tests.unit.message.messages import message
from worker.message.mime.limits import MessageUnparsable, only_message_errors

HTML = b"Content-Type: text/html\r\n\r\n<p>x"


class NoDescriptor:
    """A finder of modules in a process that can't open another file."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name.startswith("inscriptis"):
            raise OSError(errno.EMFILE, "Too many open files")
        return None


def without_inscriptis(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "inscriptis"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_process_that_can_open_no_file_does_not_make_the_message_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    one = message(HTML)
    with monkeypatch.context() as patch:
        without_inscriptis(patch)
        patch.setattr(sys, "meta_path", [NoDescriptor(), *sys.meta_path])
        with pytest.raises(OSError, match="Too many open files"):
            _ = one.text
    assert one.text == "x"


def test_a_library_that_is_gone_does_not_make_the_message_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    one = message(HTML)
    with monkeypatch.context() as patch:
        without_inscriptis(patch)
        patch.setitem(sys.modules, "inscriptis", None)
        with pytest.raises(ImportError):
            _ = one.text
    assert one.text == "x"


@pytest.mark.parametrize("error", [OSError(errno.EOVERFLOW, "Value too large"), OSError(), ValueError(), MemoryError()])
def test_what_a_message_may_cause_is_blamed_on_it(error: Exception) -> None:
    @only_message_errors
    def read() -> None:
        raise error

    with pytest.raises(MessageUnparsable) as refusal:
        read()
    assert refusal.value.cause == type(error).__name__
