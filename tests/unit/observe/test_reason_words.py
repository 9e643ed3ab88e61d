"""A stored reason in words."""

import re
from pathlib import Path

import pytest

import worker
from worker.observe.reason_words import HandlerReason, handler_reason, reason_words
from worker.pipeline.header_suspects import HEADER_POISON
from worker.pipeline.late_headers import NO_HEADER


@pytest.mark.parametrize(
    ("stored", "handlers", "found"),
    [
        ("archive:OSError:ENOSPC", (), HandlerReason("archive", "OSError", "ENOSPC")),
        ("archive:OSError", (), HandlerReason("archive", "OSError")),
        ("ward.filing:handle:ValueError", (), HandlerReason("ward.filing:handle", "ValueError")),
        (
            "ward.filing:handle:OSError:EIO",
            ("ward.filing:handle",),
            HandlerReason("ward.filing:handle", "OSError", "EIO"),
        ),
        ("fault:OSError:EIO", ("fault",), HandlerReason("fault", "OSError", "EIO")),
        ("archive:key-taken", (), HandlerReason("archive", "key-taken")),
        ("archive:ConnectError:NAME_NOT_RESOLVED", (), HandlerReason("archive", "ConnectError", "NAME_NOT_RESOLVED")),
        (
            "ward.filing:handle:Reject:no-report_number-3",
            (),
            HandlerReason("ward.filing:handle", "Reject", said="no-report_number-3"),
        ),
        ("archive:Reject:EIO", (), HandlerReason("archive", "Reject", "EIO")),
        ("oversize", (), None),
        ("route:KeyError", (), None),
        ("fault:MemoryError", (), None),
        ("unparsed:MessageUnparsable", (), None),
        ("unparsed:MessageOverLimit:parts", (), None),
    ],
)
def test_the_handler_its_exception_and_the_fault_are_told_apart(
    stored: str, handlers: tuple[str, ...], found: HandlerReason | None
) -> None:
    assert handler_reason(stored, handlers) == found


@pytest.mark.parametrize(
    ("stored", "fact", "step"),
    [
        ("file:OSError:ENOSPC", "The handler 'file' failed with OSError: no space left on device.", "Free space"),
        (
            "file:PermissionError:EACCES",
            "'file' failed with PermissionError: permission denied.",
            "right to",
        ),
        (
            "send:ConnectError:ECONNREFUSED",
            "The handler 'send' failed with ConnectError: connection refused.",
            "reach it",
        ),
        (
            "send:ConnectError:NAME_NOT_RESOLVED",
            "The handler 'send' failed with ConnectError: the name can't be resolved.",
            "name server",
        ),
        (
            "send:ConnectError:NOT_TLS",
            "'send' failed with ConnectError: this port doesn't speak TLS.",
            "port",
        ),
        ("file:KeyError", "The handler 'file' failed with KeyError.", "author"),
        ("file:Reject", "The handler 'file' rejected the message.", "author"),
        ("file:Reject:no-report-number", "The handler 'file' rejected the message: no report number.", "by hand"),
        ("file:Retry", "The handler 'file' asked for another try each time.", "waits for"),
        (
            "send:Retry:ECONNREFUSED",
            "The handler 'send' asked for another try each time: connection refused.",
            "reach it",
        ),
        (
            "file:TimedOut",
            "'file' took longer than its `time_limit`, so its process was ended.",
            "time_limit",
        ),
        ("unparsed:MessageOverLimit:parts", "The message is over the limit `parts`,", "raise `parts` under `[limits]`"),
        ("unparsed:MessageUnparsable", "The message is built wrongly,", "by hand"),
        ("oversize", "The message is larger than `message` under `[limits]`,", "raise that limit"),
        ("stand-in:rpmsg", "For an hour the server showed a placeholder", "mail program"),
        ("route:KeyError", "A fault of the worker (KeyError) kept it from choosing a route.", "Report"),
        ("fault:MemoryError", "A fault of the worker (MemoryError) ended the try.", "Report"),
    ],
)
def test_it_says_why_and_what_to_do(stored: str, fact: str, step: str) -> None:
    words = reason_words(stored)
    assert fact in words.fact
    assert step in " ".join(words.do)
    assert words.again


@pytest.mark.parametrize("stored", [HEADER_POISON, NO_HEADER])
def test_what_cannot_be_retried_is_moved_by_a_person(stored: str) -> None:
    words = reason_words(stored)
    assert not words.again
    assert "move the message into the inbox" in " ".join(words.do)


@pytest.mark.parametrize("stored", [None, "", "something-of-a-later-version"])
def test_what_is_not_known_is_said_as_it_is(stored: str | None) -> None:
    fact = reason_words(stored).fact
    assert fact == ("The journal has no reason." if not stored else f"The journal says: {stored}.")


def test_every_reason_that_the_worker_stores_has_words() -> None:
    """Those written out in the code of the pipeline, as whole words."""
    sources = "".join(path.read_text() for path in Path(worker.__file__).parent.glob("pipeline/*.py"))
    stored = set(
        re.findall(r'(?:reason="|why_waiting\(\w+, "|return "|NO_HEADER = "|HEADER_POISON = ")([a-z-]+)"', sources)
    )
    assert {"oversize", "poison", "not-ready", "fetch-broken", "not-flushed", HEADER_POISON, NO_HEADER} <= stored
    unknown = {one for one in stored if reason_words(one).fact.startswith("The journal says") and "-" in one}
    assert unknown == set()
