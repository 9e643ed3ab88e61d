"""`handler try`: one message from a file to one handler, as the worker would give it."""

import inspect
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.commands.explain import Fate, explain
from worker.commands.message_file import MessageFromFile, read_message
from worker.handling.foreign_code import lines_of, root_of, words_of
from worker.handling.handler import Handler
from worker.handling.loading import load_handler
from worker.handling.trial import Trial
from worker.logs.counted import counted
from worker.message.message_log import Logged
from worker.settings import proxy_of
from worker.settings.routes import HandlerSettings
from worker.settings.tree import Settings
from worker.testing import Result, Runner


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of giving a handler a message from a file.

    result: None if the worker would give the message to no handler, so this one wasn't called.
    text: for the user, with the handler's own words. They may quote the message, so show them only on a terminal.
    """

    result: Result | None
    text: str

    @property
    def done(self) -> bool:
        """Whether the handler was called and returned."""
        return self.result is not None and self.result.done


def try_handler(
    name: str,
    path: Path,
    *,
    settings: Settings | None = None,
    options: Mapping[str, Any] | None = None,
    folder: str | None = None,
    trial: Trial | None = None,
) -> Tried:
    """Give a message from a file to a handler, once, without a mailbox.

    name: as in a route: a table's name, an entry point, or `module:name`. path: the file.
    settings: the configuration, for the handler's table, and for the message's key, verdict and limits; None uses the
        defaults.
    options: more settings of the handler, which override those in its table.
    folder: where the message lies. trial: what the handler may do.

    Raises:
        SettingsError: the handler can't be imported, configured or built.
        NeedsForReal, NoScratch: the trial doesn't allow it.
        NotAMessage: the file isn't a message.
        OSError: the file can't be read.
    """
    mail = read_message(path, settings, folder)
    about = list(_about(mail, settings, path, name))
    if (why := _kept_from_handlers(mail, settings)) is not None:
        return Tried(None, "\n".join([*about, "", why]))
    tables = dict(settings.handlers) if settings else {}
    if options:
        table = tables.get(name, HandlerSettings())
        tables[name] = table.model_copy(update={"options": {**table.options, **options}})
    mode = settings.account.password_file_mode if settings else "private"
    trial = trial or Trial()
    proxy = proxy_of(settings) if settings else None
    handler = load_handler(name, tables, file_mode=mode, proxy=proxy, trial=trial)
    result = Runner(handler, show_errors=False, strict_log=False).deliver(mail.message)
    said = [_sentence(name, result, _places(result, handler)), *_logged(result), *_closing(handler)]
    return Tried(result, "\n".join([*about, "", *said, *_effects(name, trial, mail.account)]))


def _about(mail: MessageFromFile, settings: Settings | None, path: Path, name: str) -> Iterator[str]:
    """The message as the handler sees it, and what of it is assumed."""
    message = mail.message
    if mail.account is None:
        yield f"Key: {message.key}. There is no configuration, so the message has another key in your mailbox."
    else:
        yield f"Key: {message.key}, as in the mailbox of {mail.account}."
    yield f"Path: {message.path}."
    yield f"Received: {message.received_at:%Y-%m-%d %H:%M:%S} UTC, by {mail.received_from}."
    yield f"Folder: {message.folder}" + ("." if mail.folder_given else ", which is assumed. --folder names another.")
    if mail.line_ends:
        yield "Line ends: the file has LF. They were changed to CRLF, which mail servers send."
    if settings is not None and name not in explain(message, settings).handlers:
        yield f"Route: no route gives this message to {name}. `nhsmail-worker route explain {path}` says why."


def _kept_from_handlers(mail: MessageFromFile, settings: Settings | None) -> str | None:
    """Why the worker would give the message to no handler, whatever the routes say; None if it would."""
    if settings is not None:
        fate = explain(mail.message, settings)
        if fate.reason == "oversize":
            return (
                f"The handler wasn't called. The message has {counted(mail.message.size, 'byte')}, more than "
                "[limits] message allows. The worker makes it a dead letter (oversize) and gives it to no handler."
            )
        if fate.fate is not Fate.LATER:
            return None
    if mail.message.stand_in is None:
        return None
    return (
        f"The handler wasn't called. The file is a placeholder ({mail.message.stand_in}), not the message. The worker "
        "waits until the server shows the message itself."
    )


_MOST_PLACES = 10


def _places(result: Result, handler: Handler) -> str:
    """The lines of the handler's own code that an error passed through, and where it was raised, outermost first."""
    if result.state != "error" or result.error is None:
        return ""
    called = handler.call if inspect.isroutine(handler.call) else type(handler.call)
    through = lines_of(result.error, str(called.__module__))[-_MOST_PLACES:]
    *_, innermost = traceback.walk_tb(result.error.__traceback__)
    if innermost not in through and root_of(innermost[0]) != "worker":
        through.append(innermost)
    return "".join(f"\n  {frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}" for frame, line in through)


def _logged(result: Result) -> Iterator[str]:
    """What the handler logged, and what it may not log."""
    for line in result.logged:
        yield f"It logged: {_line(line)}"
    for mistake in result.log_mistakes:
        yield f"A line of its log is wrong, and the worker drops it. {mistake}."


def _line(line: Logged) -> str:
    return " ".join([line.event, *(f"{name}={value}" for name, value in line.values.items())])


def _closing(handler: Handler) -> Iterator[str]:
    """Close the handler; yields what to say if that fails. The worker would go on too, so it isn't an error."""
    try:
        handler.close()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 -- other people's code
        yield f"Its close() raised {type(error).__name__}: {words_of(error)}"


def _effects(name: str, trial: Trial, account: str | None) -> Iterator[str]:
    """Where what the handler did can be seen."""
    if trial.folder is not None:
        yield f"{name} wrote below {trial.folder}. The place that its settings name was left alone."
        return
    yield f"What {name} did is real: it ran with its own settings."
    if trial.for_real and account is not None:
        yield (
            f"The key is the one that the message has in the mailbox. {name} may take the message for done, or for "
            "other content under the same key, when the worker brings it."
        )


def _sentence(name: str, result: Result, places: str) -> str:
    took = f"in {result.seconds:.3f} s"
    kind = type(result.error).__name__
    said_of_it = "" if result.error is None else words_of(result.error)
    words = f": {said_of_it}" if said_of_it else ""
    wait = f", in {result.after} at the earliest" if result.after else ""
    raised = f"{name} raised {kind}{words}{places}"
    said = {
        "done": f"{name} returned {took}: the message would be settled as handled.",
        "retry": f"{raised}\nThe message would be tried again later{wait}.",
        "reject": f"{raised}\nThe message would be a dead letter at once. {_shown(name, result)}",
        "error": f"{raised}\nThe message would be tried again with backoff, then be a dead letter.",
        "unreadable": f"The message can't be parsed ({kind}){words}\nIt would be a dead letter at once.",
    }
    return said[result.state] + _ignored(result)


def _shown(name: str, result: Result) -> str:
    """What people see of the `Reject`."""
    return f"People see the reason {name}:{result.kind}."


def _ignored(result: Result) -> str:
    """What to say about a value that the handler returned, which its author may expect to matter."""
    if not result.done or result.returned is None:
        return ""
    return (
        f"\nWhat it returned ({type(result.returned).__name__}) is ignored: returning is success. "
        "To say anything else, raise Retry (later) or Reject (never)."
    )
