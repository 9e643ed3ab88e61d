"""A handler in a child process can't harm the worker, and no content of a message comes back from it."""

import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from worker.handling.failure import CallFailure, RemoteFailure
from worker.handling.isolate.parent import CannotStart, ChildSpec, IsolatedHandler
from worker.handling.outage import About
from worker.handling.target_down import NotThereYet
from worker.message.message import Message
from worker.message.mime.limits import Limits
from worker.message.verdict import Evidence, MailPath, Verdict

HANDLERS = """
import asyncio, gzip, os, signal, subprocess, sys, threading, time
from datetime import timedelta
from pathlib import Path
from pydantic import BaseModel, SecretStr
from worker import KeyTaken, Reject, Retry

class Infected(Reject): ...
class Silent(Exception):
    def __str__(self): raise self

class Away(Exception): ...

class Doer:
    outages = (Away,)

    class Settings(BaseModel):
        folder: Path
        token: SecretStr = SecretStr("")
        at_start: str = ""

    def __init__(self, settings):
        self.settings = settings
        self.waiting = []
        if settings.at_start == "fail":
            raise PermissionError(f"not with {settings.token.get_secret_value()}")
        if settings.at_start == "leave":
            raise KeyboardInterrupt
        if settings.at_start == "silent":
            raise Silent
        if settings.at_start == "later" and (settings.folder / "down").exists():
            raise Retry("its database isn't up", after=timedelta(seconds=9))
        if settings.at_start == "hang":
            time.sleep(600)
        if settings.at_start == "die":
            os._exit(1)

    def __call__(self, message):
        folder = self.settings.folder
        word = message.subject
        if word == "hang":
            child = subprocess.Popen(["sleep", "600"])
            (folder / "child").write_text(str(child.pid))
            time.sleep(600)
        if word == "exit":
            os._exit(3)
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "eat":
            kept = []
            while True:
                kept.append(bytearray(10_000_000))
        if word == "full":
            Path("/dev/full").write_text("x")
        if word == "later":
            raise Retry(message.text, after=timedelta(seconds=7))
        if word == "returned":
            return Retry(message.text)
        if word == "never":
            raise Infected(message.text)
        if word == "taken":
            raise KeyTaken(message.text)
        if word == "cancelled":
            raise asyncio.CancelledError
        if word == "error":
            raise ConnectionError(message.text)
        if word == "away":
            raise Away(message.text)
        if word == "own":
            raise Retry(message.text, this_message=True)
        if word == "gzip":
            raise gzip.BadGzipFile(message.text)
        if word == "invented":
            raise type(message.text.strip(), (Exception,), {})
        if word == "print":
            print(message.text)
            os.write(1, message.raw)
        if word == "thread":
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        if word == "look":
            token = self.settings.token.get_secret_value()
            (folder / "environ").write_text("\\n".join(sorted(os.environ)) + token)
            (folder / "seen").write_text(repr((message.key, message.folder, message.path, message.evidence,
                message.received_at.isoformat(), message.sha256, [a.read() for a in message.attachments])))
        self.waiting.append(str(os.getpid()))

    def flush(self):
        with (self.settings.folder / "flushed").open("a") as file:
            file.writelines(f"{pid}\\n" for pid in self.waiting)
        self.waiting = []

    def close(self):
        (self.settings.folder / "closed").touch()

def plain(message): ...
def quiet(message): ...
quiet.headers_only = True
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "isolated_handlers.py").write_text(HANDLERS)
    monkeypatch.syspath_prepend(tmp_path)
    import isolated_handlers  # type: ignore[import-not-found]  # written above

    yield isolated_handlers
    del sys.modules["isolated_handlers"]


def spec(module: Any, folder: Path, *, limit: float = 30.0, start: float = 30.0, **settings: Any) -> ChildSpec:
    own = module.Doer.Settings(folder=folder, **settings)
    return ChildSpec("mine", "isolated_handlers:Doer", own, memory=100_000_000, limit=limit, start=start)


@pytest.fixture
def isolated(module: Any, tmp_path: Path) -> Iterator[IsolatedHandler]:
    isolated = IsolatedHandler(spec(module, tmp_path, token="its own secret"))
    yield isolated
    isolated.close()


def message(word: str = "ok") -> Message:
    raw = (
        f"From: a@lab.nhs.uk\r\nSubject: {word}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\n\r\nsecret_words\r\n--b\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n--b--\r\n"
    )
    verdict = Verdict(MailPath.CLEAN, (Evidence("placement", None, "inbox", "it lies there", counts=False),))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(raw.encode(), key="a" * 26, folder="INBOX", received_at=at, verdict=verdict)


def failure(isolated: IsolatedHandler, word: str) -> CallFailure:
    with pytest.raises(RemoteFailure) as caught:
        isolated(message(word))
    return caught.value.failure


def flushed(folder: Path) -> list[str]:
    return (folder / "flushed").read_text().split()


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_is_called_in_one_process_again_and_again_and_flushed_each_time(
    isolated: IsolatedHandler, tmp_path: Path
) -> None:
    for count in (1, 2, 3):
        isolated(message())
        assert len(flushed(tmp_path)) == count
    (pid,) = set(flushed(tmp_path))
    assert int(pid) != os.getpid()


def test_it_sees_the_whole_message_and_nothing_of_the_workers(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", "Correct-Horse-7")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    isolated = IsolatedHandler(spec(module, tmp_path, token="its own secret"))
    sent = message("look")
    isolated(sent)
    isolated.close()
    seen = (sent.key, sent.folder, sent.path, sent.evidence, sent.received_at.isoformat(), sent.sha256, [b"PDF"])
    assert (tmp_path / "seen").read_text() == repr(seen)
    environ = (tmp_path / "environ").read_text()
    assert "NHSMAIL" not in environ
    assert "AWS" not in environ
    assert environ.endswith("its own secret")


def test_words_and_classes_come_back_and_no_text(isolated: IsolatedHandler) -> None:
    later = failure(isolated, "later")
    assert (later.word, later.kind, later.after) == ("retry", "Retry", timedelta(seconds=7))
    for word, kind in (("never", "Infected"), ("taken", "key-taken")):
        refused = failure(isolated, word)
        assert (refused.word, refused.kind) == ("reject", kind)
        assert (refused.where or "").startswith("isolated_handlers:")
    assert failure(isolated, "returned").kind == "ReturnedNotRaised"
    error = failure(isolated, "error")
    assert (error.word, error.kind) == ("error", "ConnectionError")
    assert failure(isolated, "cancelled").kind == "CancelledError"
    assert (error.where or "").startswith("isolated_handlers:")
    assert failure(isolated, "invented").kind == "Exception"


def test_the_line_is_the_handlers_own_and_the_systems_word_comes_back(isolated: IsolatedHandler) -> None:
    full = failure(isolated, "full")  # raised in `pathlib`, which the handler called
    line = 1 + HANDLERS.splitlines().index('            Path("/dev/full").write_text("x")')
    assert (full.kind, full.fault, full.where) == ("OSError", "ENOSPC", f"isolated_handlers:{line}")


@pytest.mark.parametrize(
    ("word", "about"),
    [
        ("error", About.TARGET),
        ("away", About.TARGET),
        ("later", About.TARGET),
        ("own", About.MESSAGE),
        ("gzip", About.MESSAGE),
        ("invented", About.MESSAGE),
    ],
)
def test_what_a_failure_is_about_comes_back(isolated: IsolatedHandler, word: str, about: About) -> None:
    assert failure(isolated, word).about is about


@pytest.mark.parametrize("word", ["exit", "kill"])
def test_its_death_is_a_failure_and_the_next_message_has_a_new_process(
    isolated: IsolatedHandler, tmp_path: Path, word: str
) -> None:
    isolated(message())
    assert failure(isolated, word) == CallFailure("error", "Died", about=About.NOTHING)
    isolated(message())
    assert len(set(flushed(tmp_path))) == 2


def test_a_message_for_which_there_is_no_memory_leaves_no_process_over(
    isolated: IsolatedHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_message: object) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("worker.handling.isolate.parent.pickle.dumps", no_memory)
        with pytest.raises(MemoryError):
            isolated(message())
    isolated(message())
    assert len(isolated._all) == 1  # private: nobody else needs to know how many processes there are


def test_what_hangs_is_killed_with_all_that_it_started(module: Any, tmp_path: Path) -> None:
    isolated = IsolatedHandler(spec(module, tmp_path, limit=1.0))
    begun = time.monotonic()
    assert failure(isolated, "hang") == CallFailure("error", "TimedOut", about=About.NOTHING)
    assert time.monotonic() - begun < 10
    child = int((tmp_path / "child").read_text())
    while is_there(child):
        time.sleep(0.01)
    isolated(message())
    isolated.close()


def test_what_eats_memory_fails_alone(isolated: IsolatedHandler, tmp_path: Path) -> None:
    isolated(message())
    assert failure(isolated, "eat").kind == "MemoryError"
    isolated(message())
    assert len(set(flushed(tmp_path))) == 2


def test_what_it_prints_and_the_threads_that_it_leaves_are_counted(
    module: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reported: list[tuple[str, int, int]] = []

    class Output:
        def reported(self, name: str, printed: int, threads: int) -> None:
            reported.append((name, printed, threads))

    isolated = IsolatedHandler(spec(module, tmp_path), Output())
    for word in ("ok", "print", "thread"):
        isolated(message(word))
    isolated.close()
    assert reported == [("mine", 0, 0), ("mine", len("secret_words") + 1, 0), ("mine", 0, 1)]
    shown = capfd.readouterr()
    assert "secret" not in shown.out + shown.err


def test_calls_at_a_time_have_processes_of_their_own(isolated: IsolatedHandler, tmp_path: Path) -> None:
    for _ in range(2):
        together = threading.Barrier(3)

        def call(together: threading.Barrier = together) -> None:
            together.wait()
            isolated(message())

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(flushed(tmp_path)) == 6
    assert 1 <= len(set(flushed(tmp_path))) <= 3


def test_it_is_closed_in_order_and_nothing_is_left(module: Any, tmp_path: Path) -> None:
    isolated = IsolatedHandler(spec(module, tmp_path))
    isolated(message())
    (pid,) = flushed(tmp_path)
    isolated.close()
    assert (tmp_path / "closed").exists()
    assert not is_there(int(pid))
    assert failure(isolated, "ok") == CallFailure("error", "Closed", about=About.NOTHING)


def test_it_ends_when_the_worker_is_gone(module: Any, tmp_path: Path) -> None:
    isolated = IsolatedHandler(spec(module, tmp_path))
    isolated(message())
    (pid,) = flushed(tmp_path)
    # Its privates, because the end of this process closes the socket without a call to anything public.
    (process,) = isolated._idle
    process._peer.close()
    process._process.wait(10)
    assert not is_there(int(pid))
    isolated.close()


def test_closing_ends_a_call_that_hangs(module: Any, tmp_path: Path) -> None:
    isolated = IsolatedHandler(spec(module, tmp_path))
    found: list[CallFailure] = []
    thread = threading.Thread(target=lambda: found.append(failure(isolated, "hang")))
    thread.start()
    while not (tmp_path / "child").exists():
        time.sleep(0.01)
    isolated.close()
    thread.join(10)
    assert found == [CallFailure("error", "Died", about=About.NOTHING)]


@pytest.mark.parametrize(("at_start", "raised"), [("fail", CannotStart), ("die", CannotStart), ("hang", TimeoutError)])
def test_what_cannot_be_built_there_stops_the_start(
    module: Any, tmp_path: Path, at_start: str, raised: type[Exception]
) -> None:
    start = 1.0 if at_start == "hang" else 30.0
    with pytest.raises(raised):
        IsolatedHandler(spec(module, tmp_path, at_start=at_start, start=start))


def test_what_it_talks_to_may_be_missing_when_a_child_is_begun(module: Any, tmp_path: Path) -> None:
    down = tmp_path / "down"
    down.touch()
    with pytest.raises(NotThereYet) as caught:
        IsolatedHandler(spec(module, tmp_path, at_start="later"))
    assert (caught.value.kind, caught.value.after) == ("Retry", timedelta(seconds=9))
    down.unlink()
    handler = IsolatedHandler(spec(module, tmp_path, at_start="later"))
    try:
        down.touch()
        with pytest.raises(RemoteFailure):
            handler(message("exit"))  # its only child is gone, and another can't be built now
        with pytest.raises(RemoteFailure) as failed:
            handler(message("ok"))
        assert failed.value.failure == CallFailure("retry", "Retry", timedelta(seconds=9), about=About.TARGET)
        down.unlink()
        handler(message("ok"))
    finally:
        handler.close()


@pytest.mark.parametrize(("at_start", "said"), [("leave", "KeyboardInterrupt"), ("silent", "Silent")])
def test_whatever_is_raised_there_is_told_by_its_name(module: Any, tmp_path: Path, at_start: str, said: str) -> None:
    with pytest.raises(CannotStart, match=f"^{said}$"):
        IsolatedHandler(spec(module, tmp_path, at_start=at_start))


class Answers(IsolatedHandler):
    """Has a fake child process that gives this answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        process: Any = type("Process", (), {"ask": lambda *_: answer, "end": lambda _: None})()
        self._spec = ChildSpec("mine", "", None, 1, 1.0, 1.0)
        self._output = None
        self._lock = threading.Lock()
        self._all = set()
        self._idle = [process]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, CallFailure("error", "Unknown")),
        ({"word": "secret words", "kind": "secret words", "where": "secret words"}, CallFailure("error", "Unknown")),
        ({"word": "reject", "kind": 3, "after": 1e300, "printed": -1}, CallFailure("reject", "Unknown")),
        ({"word": "reject", "kind": "Reject:no-number"}, CallFailure("reject", "Reject:no-number")),
        ({"word": "reject", "kind": "Reject:secret words"}, CallFailure("reject", "Unknown")),
        ({"word": "reject", "kind": "Other:no-number"}, CallFailure("reject", "Unknown")),
        ({"word": "retry", "kind": "Retry", "after": 2}, CallFailure("retry", "Retry", timedelta(seconds=2))),
        ({"word": "error", "kind": "A", "about": "target"}, CallFailure("error", "A", about=About.TARGET)),
        ({"word": "error", "kind": "A", "about": ["secret words"]}, CallFailure("error", "A")),
        ({"word": "error", "kind": "A", "where": "mine.module:12"}, CallFailure("error", "A", None, "mine.module:12")),
    ],
)
def test_only_words_of_the_right_form_are_believed(answer: dict[str, Any], expected: CallFailure) -> None:
    assert failure(Answers(answer), "ok") == expected


def test_a_message_arrives_as_it_was_sent() -> None:
    sent = Message(
        message().raw,
        key="b" * 26,
        folder="Junk",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        verdict=Verdict(MailPath.JUNK),
        limits=Limits(parts=1),
    )
    back = pickle.loads(pickle.dumps(sent))  # noqa: S301 -- our own
    for name in ("raw", "key", "folder", "path", "evidence", "received_at", "_limits"):
        assert getattr(back, name) == getattr(sent, name)
