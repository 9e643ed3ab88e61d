"""A stored reason in words: why a message was given up on, or waits, and what a person does about it.

The journal stores `archive:OSError:ENOSPC`. A person reads: The handler 'archive' failed with OSError: no space left
on device.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from worker.logs.system_words import NO_SUCH_NAME, NOT_TLS, fault_words
from worker.message.mime.limits import MessageOverLimit
from worker.message.outcome import Reject
from worker.message.reasons import Reason, read_reason


@dataclass(frozen=True, slots=True)
class HandlerReason:
    """How a handler failed.

    kind: the exception's class, or our own word. fault: what the system says, as a name. said: the text of a `Reject`,
    with hyphens between its words; empty: it isn't kept.
    """

    handler: str
    kind: str
    fault: str = ""
    said: str = ""

    @property
    def words(self) -> str:
        """`OSError: no space left on device`."""
        if self.said:
            return f"{self.kind}: {self.said.replace('-', ' ')}"
        return f"{self.kind}: {fault_words(self.fault)}" if self.fault else self.kind


@dataclass(frozen=True, slots=True)
class ReasonWords:
    """fact: why, in a sentence. do: what a person does about it, in order; empty: nothing. again: whether a dead letter
    with this reason can be tried again.
    """

    fact: str
    do: tuple[str, ...] = ()
    again: bool = True


_MAIL_PROGRAM: Final = "Open the message with a mail program."
_REPORT: Final = "Report the fault with the lines of level error in the log."
_AS_NEW: Final = "Once that is fixed, move the message into the inbox. The worker takes it as new mail."
_LOOK: Final = "Open the message with a mail program. If it can't be opened there, ask who runs the mail service."
_WORDS: Final = {
    "oversize": ReasonWords(
        "The message is larger than `message` under `[limits]`, so the worker didn't fetch it.",
        ("If such mail is to be handled, raise that limit and restart the worker.",),
    ),
    "poison": ReasonWords(
        "The worker's process ended again and again while it handled this message alone.",
        (_MAIL_PROGRAM, "Report the fault with the handler's name."),
    ),
    "header-poison": ReasonWords(
        "The worker's process ended again and again while it read the header of this message.",
        (_MAIL_PROGRAM, "Report the fault.", _AS_NEW),
        again=False,
    ),
    "header-not-shown": ReasonWords(
        "The server listed this message for an hour, but didn't give its header.", (_LOOK, _AS_NEW), again=False
    ),
    "not-ready": ReasonWords("The server listed this message for an hour, but didn't give its content.", (_LOOK,)),
    "fetch-broken": ReasonWords("The connection ended each time the worker fetched this message.", (_LOOK,)),
    "not-flushed": ReasonWords(
        "What the handlers wrote didn't reach the disk.", ("Look at the disk that the handlers write to.",)
    ),
    "rebuilt": ReasonWords(
        "`journal rebuild` found this message where it lies. The reason isn't known any more.",
        ("Look in the log of that time for the key.",),
    ),
    "taken-away": ReasonWords("Somebody moved or deleted the message before it was done."),
}
_OWN_KINDS: Final = {
    "key-taken": ("has other content under this key already, and doesn't overwrite it", "Compare the two."),
    "TimedOut": (
        "took longer than its `time_limit`, so its process was ended",
        "Look at what the handler talks to. If it needs longer, raise `time_limit` in its table.",
    ),
    "Died": (
        "ended with its process in the middle of the call",
        "Look at the handler's memory: `memory` in its table limits it.",
    ),
    "MemoryError": (
        "had no memory left",
        "Look at the handler's memory: `memory` in its table limits it.",
    ),
    "CannotStart": ("can't be started in its process", "Look at what the handler needs: the log names it."),
    "Closed": ("was stopped with the worker", ""),
    "Reject": ("rejected the message", "Ask the handler's author which messages it rejects."),
    "Retry": ("asked for another try each time", "Look at what the handler waits for."),
}
_NETWORK: Final = "Look at the system that the handler talks to. Is it running, and can this machine reach it?"
_RIGHTS: Final = "Give the worker's user the right to what the handler opens."
_DISK: Final = "Free space on the disk that the handler writes to."
_DO_ABOUT: Final = {
    **dict.fromkeys(("ENOSPC", "EDQUOT"), _DISK),
    **dict.fromkeys(("EACCES", "EPERM", "EROFS"), _RIGHTS),
    **dict.fromkeys(("ENOENT", "ENOTDIR"), "Look whether the files and folders that the handler opens are there."),
    **dict.fromkeys(("EIO", "ESTALE"), "Look at the disk or the share that the handler uses."),
    **dict.fromkeys(("EMFILE", "ENFILE"), "Raise the limit of open files for the worker (`ulimit -n`)."),
    **dict.fromkeys(("ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "ETIMEDOUT", "EPIPE"), _NETWORK),
    **dict.fromkeys(("EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETRESET", "ENETUNREACH"), _NETWORK),
    NO_SUCH_NAME: "Check the host's name in the handler's settings, and this machine's name server.",
    NOT_TLS: "Check the port in the handler's settings.",
}
_REJECTED: Final = re.compile(r"(?P<handler>.+):Reject:(?P<said>[a-z0-9_]+(?:-[a-z0-9_]+)*)")
_AUTHOR: Final = "Give the handler's name, the exception and the line to the handler's author."


def handler_reason(stored: str, handlers: Collection[str] = ()) -> HandlerReason | None:
    """The reason of a handler's failure; None if it is another reason. handlers: names that it may begin with."""
    if (rejected := _REJECTED.fullmatch(stored)) is not None:
        return HandlerReason(rejected["handler"], Reject.__name__, said=rejected["said"])
    known = next((name for name in sorted(handlers, key=len, reverse=True) if stored.startswith(f"{name}:")), None)
    rest, _, last = stored.rpartition(":")
    fault = last if rest and fault_words(last) else ""
    without = rest if fault else stored
    handler, _, kind = without.rpartition(":")
    if known is not None:
        handler, kind = known, without[len(known) + 1 :]
    ours = {"unparsed", "route", "fault"}
    if not handler or not kind or (known is None and (handler in ours or handler.partition(":")[0] == "unparsed")):
        return None
    return HandlerReason(handler, kind, fault)


def reason_words(stored: str | None, handlers: Collection[str] = ()) -> ReasonWords:
    """The reason in words. stored: as the journal has it. handlers: the names of the message's handlers, if known."""
    if not stored:
        return ReasonWords("The journal has no reason.")
    if (words := _WORDS.get(stored)) is not None:
        return words
    reason, detail = read_reason(stored)
    if reason is Reason.PLACEHOLDER:
        return ReasonWords("For an hour the server showed a placeholder instead of this message.", (_LOOK,))
    if reason is Reason.PAUSED:
        return ReasonWords(f"The message waits for the handler '{detail}', which is paused because it keeps failing.")
    if reason is Reason.DELETED:
        return ReasonWords("The worker deleted the handled message, as `[settle]` says.")
    found = handler_reason(stored, handlers)
    if found is not None:
        return _of_handler(found)
    word, _, kind = stored.partition(":")
    match word:
        case "unparsed":
            return _unparsed(kind)
        case "route":
            return ReasonWords(f"A fault of the worker ({kind}) kept it from choosing a route.", (_REPORT,))
        case "fault":
            return ReasonWords(f"A fault of the worker ({kind}) ended the try.", (_REPORT,))
    return ReasonWords(f"The journal says: {stored}.")


def _unparsed(kind: str) -> ReasonWords:
    over, _, limit = kind.partition(":")
    if over == MessageOverLimit.__name__ and limit:
        return ReasonWords(
            f"The message is over the limit `{limit}`, so a rule or a handler couldn't read it.",
            (f"If such mail is to be handled, raise `{limit}` under `[limits]` and restart the worker.",),
        )
    return ReasonWords(
        "The message is built wrongly, so a rule or a handler couldn't read its text or its attachments.",
        (
            "Open the message with a mail program, and deal with it by hand.",
            "If it is to be filed whole, send it to `archive` with `attachments = false`.",
        ),
    )


def _of_handler(found: HandlerReason) -> ReasonWords:
    about = (_DO_ABOUT[found.fault],) if found.fault in _DO_ABOUT else ()
    if found.said:
        said = found.said.replace("-", " ")
        do = "Deal with the message by hand. If the handler should take it, tell the handler's author."
        return ReasonWords(f"The handler '{found.handler}' rejected the message: {said}.", (do,))
    if found.kind in _OWN_KINDS:
        what, do = _OWN_KINDS[found.kind]
        says = f": {fault_words(found.fault)}" if found.fault else ""
        return ReasonWords(f"The handler '{found.handler}' {what}{says}.", about or ((do,) if do else ()))
    return ReasonWords(f"The handler '{found.handler}' failed with {found.words}.", about or (_AUTHOR,))
