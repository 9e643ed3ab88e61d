"""What handlers' authors test with."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from worker import Message, Reject, Retry
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.verdict import MailPath
from worker.testing import Logged, Runner, load, make_message


def test_a_message_has_what_it_was_made_of() -> None:
    message = make_message(
        subject="Résumé",
        sender="Zoë <zoe@example.org>",
        to=["a@nhs.net", "b@nhs.net"],
        cc="c@nhs.net",
        text="Hello\n",
        html="<p>Hello</p>",
        attachments={"ä.pdf": b"%PDF-1.7\n", "b.bin": b"\0\1"},
        headers={"X-Department": "Pathology", "Message-ID": "<own@example.org>"},
    )
    assert message.subject == "Résumé"
    assert message.sender == "zoe@example.org"
    assert message.to == ("a@nhs.net", "b@nhs.net")
    assert message.cc == ("c@nhs.net",)
    assert message.text.strip() == "Hello"
    assert "<p>Hello</p>" in (message.html or "")
    assert [(file.filename, file.read()) for file in message.attachments] == [
        ("ä.pdf", b"%PDF-1.7\n"),
        ("b.bin", b"\0\1"),
    ]
    assert message.headers.get("X-Department") == "Pathology"
    assert message.message_id == "<own@example.org>"
    assert message.path is MailPath.CLEAN
    assert make_message(junk=True).path is MailPath.JUNK


def test_the_same_arguments_give_the_same_message() -> None:
    one, two = (make_message(attachments={"a.pdf": b"%PDF-1.7\n"}, html="<p>x</p>") for _ in range(2))
    assert (one.raw, one.key) == (two.raw, two.key)
    assert make_message(subject="Another").key != one.key
    assert make_message(key="mine").key == "mine"
    assert len(one.key) == 26


def test_what_a_handler_logs_is_in_the_result() -> None:
    def handler(message: Message) -> None:
        message.log("report.filed", pages=3)

    assert Runner(handler).deliver(make_message()).logged == (Logged("report.filed", {"pages": 3}),)


def test_a_mistake_in_a_log_line_fails_the_test_and_not_the_message() -> None:
    def handler(message: Message) -> None:
        message.log("report.filed", subject=message.subject)
        message.log("report.done")

    strict = Runner(handler, show_errors=False).deliver(make_message())
    assert strict.state == "error"
    assert "may quote the message" in str(strict.error)
    loose = Runner(handler, strict_log=False).deliver(make_message())
    assert loose.done
    assert loose.logged == (Logged("report.done"),)
    (mistake,) = loose.log_mistakes
    line = handler.__code__.co_firstlineno + 1
    assert mistake.startswith(f"{__name__}:{line}: subject: a text that was made")


def test_too_many_lines_are_a_mistake() -> None:
    def handler(message: Message) -> None:
        for count in range(22):
            message.log("still.here", count=count)

    assert isinstance(Runner(handler, show_errors=False).deliver(make_message()).error, ValueError)
    loose = Runner(handler, strict_log=False).deliver(make_message())
    assert len(loose.logged) == 20
    (mistake,) = loose.log_mistakes
    assert mistake.startswith("a handler logs at most 20 lines")


def test_limits_hold() -> None:
    with pytest.raises(MessageOverLimit):
        _ = make_message(attachments={"a": b"x", "b": b"y"}, limits=Limits(parts=2)).attachments


def test_a_file_is_the_message_byte_for_byte(tmp_path: Path) -> None:
    raw = b"X-Spam-Flag: NO\r\nSubject: a\nb: \xff\r\n\r\n\0body"
    (tmp_path / "m.eml").write_bytes(raw)
    assert load(tmp_path / "m.eml").raw == raw
    assert load(str(tmp_path / "m.eml")).path is MailPath.CLEAN


def test_a_file_is_junk_as_its_headers_tell(tmp_path: Path) -> None:
    (tmp_path / "m.eml").write_bytes(b"X-Forefront-Antispam-Report: SFV:SPM;SCL:9;\r\n\r\nx")
    assert load(tmp_path / "m.eml").path is MailPath.JUNK


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Retry("x", after=timedelta(minutes=1)), "retry"),
        (Reject("x"), "reject"),
        (ValueError("x"), "error"),
        (MessageOverLimit("parts"), "unreadable"),
    ],
)
def test_what_a_delivery_came_to(error: Exception, state: str) -> None:
    def handler(message: Message) -> None:
        raise error

    result = Runner(handler).deliver(make_message())
    assert (result.state, result.error, result.done) == (state, error, False)
    assert result.after == (timedelta(minutes=1) if state == "retry" else None)


@pytest.mark.parametrize("after", [300, 0.5, "5m", True])
def test_a_wait_that_is_none_is_told_where_it_is_written(after: object) -> None:
    def handler(message: Message) -> None:
        raise Retry("x", after=after)  # type: ignore[arg-type]  # that is the point

    result = Runner(handler).deliver(make_message())
    assert (result.state, type(result.error)) == ("error", TypeError)
    assert "timedelta(minutes=5)" in str(result.error)


def test_a_wait_without_its_name_is_no_reason() -> None:
    with pytest.raises(TypeError, match=r"write Retry\(after=timedelta\(minutes=5\)\)"):
        Retry(timedelta(minutes=5))  # type: ignore[arg-type]  # that is the point


def test_no_wait_is_longer_than_the_workers_longest() -> None:
    def handler(message: Message) -> None:
        raise Retry(after=timedelta(days=30))

    assert Runner(handler).deliver(make_message()).after == timedelta(days=7)


def test_a_function_that_returns_is_done() -> None:
    seen: list[str] = []
    assert Runner(lambda message: seen.append(message.key)).deliver(make_message(key="k")).done
    assert seen == ["k"]


async def promise(message: Message) -> None:
    """Never run."""


def test_a_promise_is_no_success() -> None:
    assert Runner(promise).deliver(make_message()).state == "error"


@pytest.mark.parametrize("returned", [Retry, Reject, Retry("x"), Reject("x")])
def test_what_is_returned_in_place_of_raised_is_an_error(returned: object) -> None:
    result = Runner(lambda _message: returned).deliver(make_message())
    assert (result.state, type(result.error).__name__) == ("error", "ReturnedNotRaised")
    assert "raise" in str(result.error)


def test_a_value_is_no_answer() -> None:
    result = Runner(lambda _message: False).deliver(make_message())
    assert (result.done, result.returned) == (True, False)
    assert Runner(Plain).deliver(make_message()).returned is None


class Batching:
    """Writes when flushed, to a folder."""

    class Settings(BaseModel):
        folder: Path
        by_key: bool = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: list[Message] = []
        self.closed = False

    def __call__(self, message: Message) -> None:
        self._waiting.append(message)

    def flush(self) -> None:
        for message in self._waiting:
            name = message.key if self._settings.by_key else str(len(list(self._settings.folder.iterdir())))
            (self._settings.folder / name).write_bytes(message.raw)
        self._waiting = []

    def close(self) -> None:
        self.closed = True


def test_a_class_is_built_with_its_settings_and_flushed(tmp_path: Path) -> None:
    with Runner(Batching, {"folder": str(tmp_path)}) as runner:
        assert runner.deliver(make_message(key="k")).done
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
    with Runner(Batching, Batching.Settings(folder=tmp_path)) as runner:
        runner.crash(make_message(key="lost"))
        assert not (tmp_path / "lost").exists()
        assert runner.redeliver(make_message(key="lost")).done
    assert (tmp_path / "lost").exists()


def test_repeats_are_played(tmp_path: Path) -> None:
    def look() -> set[str]:
        return {path.name for path in tmp_path.iterdir()}

    with Runner(Batching, {"folder": tmp_path}) as runner:
        assert runner.check_repeats(make_message(key="k"), look) == {"k"}
    with (
        Runner(Batching, {"folder": tmp_path, "by_key": False}) as runner,
        pytest.raises(AssertionError, match=r"message\.key"),
    ):
        runner.check_repeats(make_message(key="k"), look)


def test_a_repeat_that_fails_is_told() -> None:
    calls: list[str] = []

    def once(message: Message) -> None:
        if calls:
            raise FileExistsError
        calls.append(message.key)

    with pytest.raises(AssertionError, match="another delivery came to error"):
        Runner(once).check_repeats(make_message(), lambda: 0)
    with pytest.raises(AssertionError, match="the first delivery came to error"):
        Runner(once).check_repeats(make_message(), lambda: 0)


class Plain:
    def __call__(self, message: Message) -> None:
        """Nothing."""


def test_what_can_not_be_a_handler_is_told() -> None:
    assert Runner(Plain).deliver(make_message()).done
    for handler, settings in ((Plain, {"a": 1}), (promise, {"a": 1}), ("text", None)):
        with pytest.raises(TypeError):
            Runner(handler, settings)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValidationError):
        Runner(Batching, {})


class Open:
    """Takes whatever stands in its table."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="allow")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, message: Message) -> None:
        """Nothing."""


class Secretive(Open):
    class Settings(BaseModel):
        token: SecretStr

    def __init__(self, settings: Settings) -> None:
        """Keeps nothing."""


def test_a_setting_that_is_none_is_named_as_the_worker_would(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^folde isn't a setting of this handler; the nearest is folder\."):
        Runner(Batching, {"folde": tmp_path})
    with pytest.raises(TypeError, match=r"^by_keys isn't a setting"):
        Runner(Batching, {"folder": tmp_path, "by_keys": True})
    with pytest.raises(TypeError, match=r"^token_file is for the configuration: give token itself"):
        Runner(Secretive, {"token_file": tmp_path})
    assert Runner(Secretive, {"token": "hunter-two-22"}).deliver(make_message()).done
    assert Runner(Open, {"any": 1}).deliver(make_message()).done


def test_an_error_is_shown_with_its_traceback_beside_the_test_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(message: Message) -> None:
        raise KeyError("nope")

    def later(message: Message) -> None:
        raise Retry("x")

    assert Runner(broken).deliver(make_message()).state == "error"
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert "in broken" in said
    assert said.endswith("KeyError: 'nope'\n")
    assert Runner(later).deliver(make_message()).state == "retry"
    assert Runner(Plain).deliver(make_message()).done
    assert capsys.readouterr().err == ""


def test_a_repeat_has_the_limits_of_the_first() -> None:
    message = make_message(attachments={"a": b"x", "b": b"y"}, limits=Limits(parts=2))
    with Runner(lambda given: given.attachments) as runner:
        assert runner.deliver(message).state == "unreadable"
        assert runner.redeliver(message).state == "unreadable"
