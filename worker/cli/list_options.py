"""The options that lists share: what narrows them, and the form that they are printed in."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from worker.cli.options import as_utf8
from worker.cli.when import Since

F = TypeVar("F", bound=Callable[..., Any])


SinceOption = click.option(
    "--since",
    type=Since(time.time),
    metavar="WHEN",
    help="Only from this time on: a day (2026-11-28, yesterday), a time in UTC (10:05), or how long ago (2d, 12h).",
)


def _as_utf8(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    return None if value is None else as_utf8(context, parameter, value)


def _text(*names: str, metavar: str = "TEXT", help: str) -> Callable[[F], F]:  # noqa: A002 -- as click names it
    return click.option(*names, callback=_as_utf8, metavar=metavar, help=help)


FromOption = _text("--from", "sender", help="Only with this in the sender's name or address.")
SenderOption = click.option("--sender", "sender_before", callback=_as_utf8, hidden=True)
"""What `--from` was called before."""
SubjectOption = _text("--subject", help="Only with this in the subject.")
HandlerOption = _text("--handler", metavar="NAME", help="Only what failed at this handler.")
ReasonOption = _text("--reason", "--why", "why", help="Only with this in the reason, such as OSError.")
WhyOption = _text("--why", "why", help="With --all: only with this in the reason, such as OSError.")
"""For a command whose `--reason` is a person's."""
WordsOption = _text(
    "--reason",
    "--why",
    "why",
    help="Only with this in the reason, such as OSError, or in what a person gave as theirs.",
)
RouteOption = _text(
    "--route", metavar="NAME", help="Only what this route takes by the present configuration. Reads each message."
)
ComesToOption = _text("--reason", help="Only with this in what the message would come to, such as dead letter.")
ForHandlerOption = _text("--handler", metavar="NAME", help="Only messages that this handler would get.")
TakenByOption = _text("--route", metavar="NAME", help="Only what this route takes.")
KindOption = _text("--kind", help="Only this kind, or all that begin with it, such as login or message.disposed.")
WhoOption = _text("--who", help="Only with this in the name of the replica or of the user.")
KeyOption = _text("--key", help="Only lines about the message with this key, or about all whose key begins with it.")
CsvOption = click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header, for spreadsheets.")
LinesOfJsonOption = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, for programs.")


def forms(command: F) -> F:
    """`--json` and `--csv`."""
    return LinesOfJsonOption(CsvOption(command))
