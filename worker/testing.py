"""For authors of handlers: messages to test with, and a runner that calls a handler as the worker does.

from worker.testing import Runner, make_message

def test_the_report_is_filed(tmp_path):
    with Runner(FileReport, {"folder": str(tmp_path)}) as runner:
        assert runner.deliver(make_message(attachments={"report.pdf": b"%PDF-1.7"})).done
"""

import inspect
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel

from worker.classify import classify
from worker.handling.building import outages_of
from worker.handling.failure import CallFailure
from worker.handling.foreign_code import root_of
from worker.handling.handler import Handler
from worker.handling.outage import About
from worker.handling.own_settings import unknown, unknown_keys
from worker.handling.trial_log import TrialLog
from worker.message.key import fingerprint
from worker.message.message import Message
from worker.message.message_log import Logged
from worker.message.mime.filetype import detect
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits, MessageError
from worker.message.outcome import Reject, Retry
from worker.message.verdict import MailPath, Verdict

__all__ = ["Logged", "Result", "Runner", "load", "make_message"]

T = TypeVar("T")
ACCOUNT = "testing@nhs.net"
RECEIVED = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def make_message(
    *,
    subject: str = "Report",
    sender: str = "Laboratory <results@lab.example.org>",
    to: str | Sequence[str] = ACCOUNT,
    cc: str | Sequence[str] = (),
    text: str = "A report is attached.\n",
    html: str | None = None,
    attachments: Mapping[str, bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
    folder: str = "INBOX",
    received_at: datetime = RECEIVED,
    junk: bool = False,
    limits: Limits | None = None,
    redelivery: int = 0,
) -> Message:
    """Make a message as a handler gets it. The same arguments give the same message with the same key.

    attachments: content by file name. The types are detected from the content.
    headers: additional headers. redelivery: how often a person had it handled again after it was done.
    """
    mail = EmailMessage(policy=policy.SMTP)
    mail["Received"] = f"from mail.example.org by mx.example.org; {format_datetime(received_at)}"
    mail["From"] = sender
    mail["To"] = to if isinstance(to, str) else ", ".join(to)
    if cc:
        mail["Cc"] = cc if isinstance(cc, str) else ", ".join(cc)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(received_at)
    mail["Message-ID"] = "<testing@mail.example.org>"
    for name, value in (headers or {}).items():
        del mail[name]
        mail[name] = value
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    for name, data in (attachments or {}).items():
        main, _, sub = detect(data).partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"===============testing-{number}==")  # so that every call gives the same bytes
    verdict = Verdict(MailPath.JUNK if junk else MailPath.CLEAN)
    return _message(mail.as_bytes(), key, folder, received_at, verdict, limits, redelivery)


def load(
    path: str | Path,
    *,
    key: str | None = None,
    folder: str = "INBOX",
    received_at: datetime = RECEIVED,
    limits: Limits | None = None,
    redelivery: int = 0,
) -> Message:
    """Load a message from a file as saved by a mail program, byte for byte. Its headers decide if it is junk.

    Raises OSError.
    """
    raw = Path(path).read_bytes()
    verdict = classify(Headers.from_bytes(raw), in_junk_folder=False)
    return _message(raw, key, folder, received_at, verdict, limits, redelivery)


def _message(
    raw: bytes,
    key: str | None,
    folder: str,
    received_at: datetime,
    verdict: Verdict,
    limits: Limits | None,
    redelivery: int,
) -> Message:
    headers = Headers.from_bytes(raw)
    return Message(
        raw,
        key=key or fingerprint(ACCOUNT, headers),
        folder=folder,
        received_at=received_at,
        verdict=verdict,
        limits=limits or Limits(),
        redelivery=redelivery,
    )


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one delivery.

    state: `done`; `retry` or `reject` if the handler raised that; `error` for any other exception, after which the
        worker tries again with backoff, up to the route's limit; `unreadable` if the message can't be parsed, which
        makes it a dead letter, like `reject`.
    error: the exception. after: the wait that a `Retry` asked for, as the worker limits it. seconds: the duration.
    returned: the handler's return value. The worker ignores it: returning is success, whatever the value.
    logged: the lines that the handler logged with `message.log`, in order. log_mistakes: what is wrong with those that
        were refused, with `Runner(…, strict_log=False)` alone.
    kind: what the worker keeps of the error, after HANDLER: in the reason that people see. Its class, or
        `Reject:no-report-number` for a `Reject` with a literal text.
    outage: whether the error says that what the handler talks to is down, so that a run of such messages pauses it.
    """

    state: Literal["done", "retry", "reject", "error", "unreadable"]
    error: Exception | SystemExit | None = None
    after: timedelta | None = None
    seconds: float = 0.0
    returned: object = None
    outage: bool = False
    logged: tuple[Logged, ...] = ()
    log_mistakes: tuple[str, ...] = ()
    kind: str = ""

    @property
    def done(self) -> bool:
        """Whether the handler returned, and then its `flush`."""
        return self.state == "done"


class Runner:
    """Calls one handler as the worker does: a function, an object, or a class with its own `Settings`.

    settings: the content of the handler's table, for classes with `Settings` only.
    show_errors: print the traceback of an error (not of a `Retry` or a `Reject`) to standard error, which pytest shows
        for tests that fail.
    strict_log: a call of `message.log` that the worker would refuse raises, so that tests find it. False: it is kept in
        `Result.log_mistakes`, and the handler goes on as in the worker.

    Raises:
        TypeError: the object can't be a handler, or doesn't take these settings.
        pydantic.ValidationError: the settings are invalid.
    """

    def __init__(
        self,
        handler: Callable[..., object],
        settings: Mapping[str, Any] | BaseModel | None = None,
        *,
        show_errors: bool = True,
        strict_log: bool = True,
    ) -> None:
        self._handler = handler
        self._settings = settings
        self._show_errors = show_errors
        self._strict_log = strict_log
        self._current = self._build()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def deliver(self, message: Message) -> Result:
        """Try a message once: the call, and the `flush` that ends every batch."""
        return self._try(message, flush=True)

    def crash(self, message: Message) -> Result:
        """Play a crash after the call: neither `flush` nor `close` is called, and the handler is built anew."""
        result = self._try(message, flush=False)
        self._current = self._build()
        return result

    def redeliver(self, message: Message) -> Result:
        """Deliver a message again as after a restart: a new object with the same bytes and key, to a new handler."""
        self.restart()
        return self.deliver(copy(message))

    def handle_again(self, message: Message) -> Result:
        """Deliver a message again on a person's word: the same bytes and key, and the next `redelivery`."""
        make, parts = message.__reduce__()
        return self.deliver(make(*parts[:-1], message.redelivery + 1))

    def restart(self) -> None:
        """Close the handler and build it anew."""
        self.close()
        self._current = self._build()

    def close(self) -> None:
        """Close the handler, as the worker does when it stops."""
        self._current.close()

    def check_repeats(self, message: Message, look: Callable[[], T]) -> T:
        """Assert that repeated deliveries change nothing, since any handler may get a message twice.

        look: returns what the handler has produced, in a form that can be compared: a folder's files, a table's rows.
        Plays a delivery, another one, one after a restart, and one after a crash before the `flush`.
        Returns the result of `look`.

        Raises:
            AssertionError: a repeat failed or changed something; the text says which.
        """
        first = self.deliver(message)
        if not first.done:
            raise AssertionError(f"the first delivery came to {first.state}: {first.error!r}") from first.error
        once = look()
        repeats: dict[str, Callable[[], Result]] = {
            "another delivery": lambda: self.deliver(copy(message)),
            "a delivery after a restart": lambda: self.redeliver(message),
            "a delivery after a crash": lambda: (self.crash(copy(message)), self.deliver(copy(message)))[1],
        }
        for name, repeat in repeats.items():
            result = repeat()
            if not result.done:
                raise AssertionError(f"{name} came to {result.state}: {result.error!r}") from result.error
            if look() != once:
                raise AssertionError(f"{name} changed what the first had done: go by message.key")
        return once

    def _try(self, message: Message, *, flush: bool) -> Result:
        started = time.perf_counter()
        state: Literal["done", "retry", "reject", "error", "unreadable"] = "done"
        raised: Exception | SystemExit | None = None
        returned: object = None
        heard = TrialLog(strict=self._strict_log)
        try:
            with message.log.heard_by(heard):
                returned = self._current.returned(message)
                if flush:
                    self._current.flush()
        except Retry as error:
            state, raised = "retry", error
        except Reject as error:
            state, raised = "reject", error
        except MessageError as error:
            state, raised = "unreadable", error
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- the worker makes an outcome of every exception, too
            state, raised = "error", error
            if self._show_errors:
                _show(error)
        failure = CallFailure.of(raised, self._current.outages) if raised else None
        after = failure.after if failure else None
        outage = failure is not None and failure.about is About.TARGET
        seconds = time.perf_counter() - started
        kind = failure.kind if failure else ""
        lines, mistakes = tuple(heard.lines), tuple(heard.mistakes)
        return Result(state, raised, after, seconds, returned, outage, lines, mistakes, kind)

    def _build(self) -> Handler:
        target: Any = self._handler
        if isinstance(target, Handler):
            return target
        if inspect.isclass(target):
            target = self._build_class(target)
        elif self._settings is not None:
            raise TypeError("only a class with Settings takes settings")
        if not callable(target):
            raise TypeError("a handler is a function that takes a message, or a class whose objects do")
        flush, close = (getattr(target, name, None) or _nothing for name in ("flush", "close"))
        return Handler("under test", target, flush, close, outages_of(target))

    def _build_class(self, handler: type) -> Any:
        model = getattr(handler, "Settings", None)
        if model is None:
            if self._settings is not None:
                raise TypeError("the class has no Settings")
            return handler()
        if isinstance(self._settings, BaseModel):
            return handler(self._settings)
        options = dict(self._settings or {})
        _require_known(options, model)
        return handler(model.model_validate(options))


def _require_known(options: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Refuse unknown settings, as the worker does. By itself pydantic ignores them."""
    for key in unknown_keys(options, model):
        secret = key.removesuffix("_file")
        if secret != key and secret in model.model_fields:
            raise TypeError(f"{key} is for the configuration: give {secret} itself")
        raise TypeError(f"{key} {unknown(key, model)}")


def _show(error: BaseException) -> None:
    """Print the traceback without the worker's frames above the handler's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and root_of(trace.tb_frame) == "worker":
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def _nothing() -> None:
    """Stands in for a missing `flush` or `close`."""
