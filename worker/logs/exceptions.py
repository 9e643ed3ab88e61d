"""Exceptions as they may leave the process: by class, place and cause, without their text, which may quote mail."""

import sys
from collections.abc import Iterable
from types import TracebackType

from worker.logs.fields import WORD
from worker.logs.redaction import REFUSED
from worker.logs.system_words import system_words

LONGEST_CHAIN = 5
MOST_FRAMES = 20
OURS = ("worker", "handlers")


def described(error: BaseException) -> dict[str, object]:
    """An exception without its message and without locals: its class, our own frames, and its causes.

    What the operating system says of it is named, because its words are from a fixed list.

    The message is added only if the class is ours and says `log_safe = True` in its own body. Such a class promises
    that its text is made of our own words, settings' names and numbers.
    """
    found: dict[str, object] = {"class": _class_name(error), "frames": _frames(error.__traceback__)}
    if words := system_words(error):
        found["errno"] = words
    if _safe(error):
        found["text"] = " ".join(str(error).split())[:500]
    causes = [
        {"class": _class_name(cause), "frames": _frames(cause.__traceback__)} for cause in _causes(error, LONGEST_CHAIN)
    ]
    if causes:
        found["from"] = causes
    return found


def class_of(error: BaseException) -> type[BaseException]:
    """The class of an exception, or its nearest base class that its module holds under its own name.

    A class that was made while the program ran may have any text as its name, even a message's subject.
    """
    for kind in type(error).__mro__:
        found: object = sys.modules.get(kind.__module__)
        for part in kind.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is kind and issubclass(kind, BaseException):
            return kind
    return BaseException


def _class_name(error: BaseException) -> str:
    kind = class_of(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return name if WORD.fullmatch(name) else REFUSED


def _safe(error: BaseException) -> bool:
    kind = type(error)
    return kind.__module__.partition(".")[0] in OURS and kind.__dict__.get("log_safe") is True


def _causes(error: BaseException, most: int) -> Iterable[BaseException]:
    seen = {id(error)}
    members = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    while most and (cause := _next_cause(error, members)) is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        error = cause
        most -= 1


def _next_cause(error: BaseException, members: list[BaseException]) -> BaseException | None:
    if members:
        return members.pop(0)
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _frames(trace: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", "?"))
        # The innermost frame says where it failed, in anybody's code; of the others, only ours help.
        if module.partition(".")[0] in OURS or trace.tb_next is None:
            place = f"{module}:{trace.tb_lineno}"
            frames.append(place if WORD.fullmatch(place) else REFUSED)
        trace = trace.tb_next
    return frames[-MOST_FRAMES:]
