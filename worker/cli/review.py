"""The commands of the groups `junk` and `failed`, for people who review junk and dead letters."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.classify.policy import SOURCES
from worker.cli.groups import CommandGroup
from worker.cli.list_options import (
    FromOption,
    HandlerOption,
    ReasonOption,
    RouteOption,
    SenderOption,
    SinceOption,
    SubjectOption,
    WhyOption,
    forms,
)
from worker.cli.options import ConfigOption, LimitOption, as_utf8, open_context, words
from worker.cli.terminal import agreed, interruptible, somebody_sits_there
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode, Failure
from worker.message.outcome import State

if TYPE_CHECKING:
    from worker.commands.lists import Retryable


@click.group(cls=CommandGroup)
def junk() -> None:
    """Review the junk path: what was kept from the handlers, and why."""


@junk.command("list")
@ConfigOption
@SinceOption
@FromOption
@SenderOption
@SubjectOption
@ReasonOption
@click.option("--evidence", type=click.Choice(SOURCES), help="Only junk by evidence from this source.")
@click.option("--known", is_flag=True, help="Only from known senders. Such mail is most likely here by mistake.")
@LimitOption
@forms
def junk_list(config: Path | None, sender: str | None, sender_before: str | None, **given: Any) -> int:
    """Junk, newest first, read from the mailbox at this moment; `*` marks known senders.

    Into a pipe it prints a line for each message, with tabs between time, key, sender, subject, reason and known.
    """
    return _list(config, State.JUNK, sender=sender_before if sender is None else sender, **given)


@junk.command("show")
@ConfigOption
@click.argument("key", callback=as_utf8)
def junk_show(config: Path | None, key: str) -> int:
    """Why one message is junk and what to do, then its headers, evidence, a plain preview, and its attachments."""
    return _shown(config, key)


@junk.command("release")
@ConfigOption
@click.argument("keys", nargs=-1, required=True, callback=as_utf8)
@click.option("--reason", required=True, callback=words, help="Why it is clean. Goes into the audit trail.")
def junk_release(config: Path | None, keys: tuple[str, ...], reason: str) -> int:
    """Say that messages are clean. The worker handles them, and never takes them for junk again."""
    from worker.journal.intents import Kind

    with open_context(config) as context:
        from worker.commands import review as commands

        say(commands.ask(context, Kind.RELEASE, keys, reason))
    return ExitCode.DONE


@click.group(cls=CommandGroup)
def failed() -> None:
    """Dead letters: what could not be handled, kept whole."""


@failed.command("list")
@ConfigOption
@SinceOption
@FromOption
@SubjectOption
@HandlerOption
@ReasonOption
@RouteOption
@LimitOption
@forms
def failed_list(config: Path | None, **given: Any) -> int:
    """Dead letters, newest first, read from the mailbox at this moment.

    Into a pipe it prints a line for each message, with tabs between time, key, sender, subject, reason, handler and
    tries.
    """
    return _list(config, State.FAILED, **given)


@failed.command("show")
@ConfigOption
@click.argument("key", callback=as_utf8)
def failed_show(config: Path | None, key: str) -> int:
    """Why one message failed, where, and what to do; then the message, as with `junk show`."""
    return _shown(config, key)


@failed.command("retry")
@ConfigOption
@click.argument("keys", nargs=-1, callback=as_utf8)
@click.option("--all", "every", is_flag=True, help="All dead letters, or all that match the options below.")
@SinceOption
@FromOption
@SubjectOption
@HandlerOption
@WhyOption
@RouteOption
@click.option("--yes", is_flag=True, help="With --all: don't ask. For scripts.")
@click.option("--reason", default="", callback=as_utf8, help="Why it should work now. Goes into the audit trail.")
def failed_retry(
    config: Path | None, keys: tuple[str, ...], *, every: bool, yes: bool, reason: str, **filters: Any
) -> int:
    """Try dead letters again, with the same key; handlers that finished aren't called again.

    Name them by their keys. Or give --all, with options that choose among them: the command says how many they are,
    shows a few, and asks.
    """
    from worker.journal.intents import Kind

    chosen = {name: value for name, value in filters.items() if value is not None}
    if every == bool(keys):
        raise click.UsageError("Name dead letters by their keys, or give --all. Nothing was done.")
    if (chosen or yes) and not every:
        raise click.UsageError("Options that choose, and --yes, need --all in place of keys. Nothing was done.")
    with open_context(config) as context:
        from worker.commands import lists
        from worker.commands import review as commands

        if every:
            found = lists.retryable(context, lists.Choice(**_named(chosen)))
            if not _wanted(found, yes=yes):
                return ExitCode.DONE
            keys = tuple(item.key for item in found.items)
        say(commands.ask(context, Kind.RETRY, keys, reason))
    return ExitCode.DONE


def _wanted(found: "Retryable", *, yes: bool) -> bool:
    """Whether a person, or a script by `--yes`, wants all of these tried again. Says how many they are."""
    from worker.cli.list_printing import print_sample
    from worker.cli.list_rows import SAMPLE, sample_of
    from worker.logs.counted import counted

    count = len(found.items)
    reasons = Counter(item.reason for item in found.items).most_common(SAMPLE)
    by_reason = ", ".join(f"{number:,} × {reason}" for reason, number in reasons)
    said = f"{counted(count, 'dead letter')} to try again{f': {by_reason}' if by_reason else ''}."
    if found.left_out:
        said += f" {found.left_out:,} more can't be tried again, because the worker can't read the header."
    say(said if count else f"{said} Nothing was done.", err=True)
    if yes or not count:
        return bool(count)
    print_sample(sample_of(found))
    if count > SAMPLE:
        say(f"… and {count - SAMPLE:,} more.", err=True)
    if not somebody_sits_there():
        raise Failure(ExitCode.USAGE, "Nothing was done, because nobody can be asked here. Add --yes to have it done.")
    with interruptible():
        try:
            answer = agreed("Try it again?" if count == 1 else f"Try all {count:,} of them again?")
        except KeyboardInterrupt:
            answer = False
    if not answer:
        raise Failure(ExitCode.NOT_NOW, "Nothing was done.")
    return answer


def _list(config: Path | None, state: State, *, limit: int, as_json: bool, as_csv: bool, **given: Any) -> int:
    from worker.cli.list_printing import form_of
    from worker.cli.list_rows import print_review

    form = form_of(as_json=as_json, as_csv=as_csv)
    with open_context(config) as context:
        from worker.commands import lists as commands

        found = commands.review(context, state, commands.Choice(**_named(given)), limit=limit)
    print_review(found, state, form)
    return ExitCode.DONE


def _named(given: dict[str, Any]) -> dict[str, Any]:
    """The options by the names that a choice has for them."""
    return {"reason" if name == "why" else name: value for name, value in given.items()}


def _shown(config: Path | None, key: str) -> int:
    """Print why the message is where it is, which needs no login, and then the message."""
    from worker.cli.tables import print_shown
    from worker.cli.why_lines import print_why

    with open_context(config) as context:
        from worker.commands import review as commands
        from worker.commands.why import why

        print_why(why(context, key))
        return print_shown(commands.show(context, key))
