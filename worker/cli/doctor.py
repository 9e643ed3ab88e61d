"""Prints what the doctor found. Plain lines, so that they can be sent to whoever has to mend something."""

import textwrap
from collections.abc import Iterator

from worker.cli.wrapped import say
from worker.commands.doctor.steps import Mark, Report, Step
from worker.logs.typed import as_typed

WIDTH = 110
"""Characters of a line. Commands to type are never broken."""
_SHOWN = {Mark.OK: "ok", Mark.NOTE: "note", Mark.WRONG: "WRONG", Mark.SKIPPED: "-"}
_INDENT = " " * 23


def print_report(report: Report) -> None:
    """Print every step, and what to do about those that are wrong."""
    say(f"Signing in as {report.account} ({report.auth}) at {report.host}:{report.port}\n")
    for step in report.steps:
        for line in _lines(step) if step.mark is not Mark.SKIPPED else ():
            say(line)
    skipped = [step.name for step in report.steps if step.mark is Mark.SKIPPED]
    if skipped:
        because = f"because of {report.stopped_by.name}: " if report.stopped_by else ""
        text = f"{because}{', '.join(skipped)}."
        say("\n".join(_wrapped(f"  {_SHOWN[Mark.SKIPPED]:<6} {'not looked at':<14}", text)))
    say(f"\n{_summary(report)}")


def _lines(step: Step) -> Iterator[str]:
    yield from _wrapped(f"  {_SHOWN[step.mark]:<6} {step.name:<14}", step.found)
    for label, text in (("Who mends it: ", step.who), ("What to do: ", step.do)):
        if text:
            yield from _wrapped(_INDENT + label, _sentence(text))
    for line in step.exactly:
        yield f"{_INDENT}    {line}"


def _wrapped(begin: str, text: str) -> list[str]:
    return textwrap.wrap(as_typed(text), WIDTH, initial_indent=begin, subsequent_indent=_INDENT, break_on_hyphens=False)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _summary(report: Report) -> str:
    wrong = [step.name for step in report.wrong]
    if not wrong:
        return "All is well: the worker can sign in, and the mailbox has what it needs."
    return f"{'This is' if len(wrong) == 1 else 'These are'} wrong: {', '.join(wrong)}."
