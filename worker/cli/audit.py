"""The commands of the group `audit`."""

import os
from pathlib import Path
from typing import Any

import click

from worker.cli.groups import CommandGroup
from worker.cli.list_options import KeyOption, KindOption, SinceOption, WhoOption, WordsOption, forms
from worker.cli.options import ConfigOption, open_context
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode
from worker.logs.counted import agreeing, counted
from worker.logs.typed import typed


def _with_trail(_context: click.Context, _parameter: click.Parameter, folder: Path | None) -> Path | None:
    """Refuse a folder without a trail: it would verify as a trail without any fault."""
    if folder is None or (folder / "audit").is_dir():
        return folder
    inside = (
        sorted(path for path in folder.iterdir() if (path / "audit").is_dir()) if os.access(folder, os.R_OK) else []
    )
    near = f" Did you mean {', '.join(map(str, inside))}?" if inside else ""
    raise click.BadParameter(f"{folder} holds no audit trail, because it has no folder 'audit' in it.{near}")


StateOption = click.option(
    "--state",
    callback=_with_trail,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Read the trail in this copy of the state folder, such as one that `journal backup` made.",
)


@click.group(cls=CommandGroup)
def audit() -> None:
    """The audit trail: who did what and when."""


@audit.command("verify")
@ConfigOption
@click.option(
    "--all", "every", is_flag=True, help=("Also report chains as missing that belong to other hosts' state folders.")
)
@click.option("--copy", is_flag=True, help="The state folder is a copy that you made. Don't report the copying itself.")
@StateOption
def audit_verify(config: Path | None, *, every: bool, copy: bool, state: Path | None) -> int:
    """Check every line and every chain. Exit with 1 if anything was changed, removed or inserted.

    Writes nothing. A state folder that can't be written is taken for a copy, and so is one that --state names.
    """
    with open_context(config, reading=True, state=state) as context:
        from worker.commands import audit as commands
        from worker.logs.printable import printable

        found = commands.audit_verify(context, every=every, copy=copy or state is not None)
    for told in (*found.findings, *found.notes):
        say(printable(str(told)))
    for chain in found.elsewhere:
        say(printable(f"{chain}: not in this folder. Verify it on the host that writes it."))
    if found.copied:
        say("This is a copy: the worker can't notice missing lines that were written after the copy.")
    lines, chains = counted(found.records, "line"), counted(found.chains, "chain")
    say(f"{lines} in {chains}, {counted(len(found.findings), 'finding')}.")
    if found.unanchored:
        lines, are = counted(found.unanchored, "line"), agreeing(found.unanchored, "is", "are")
        say(f"unanchored: {lines} at the end {are} newer than the journal knows.")
    if found.ok:
        return ExitCode.DONE
    if found.only_torn:
        say(
            "A sudden stop leaves half a line. The mail isn't affected. With its next line the worker cuts off the "
            "half line and records that in the trail. If nothing stopped suddenly, find out who had access to the "
            "folder.",
            err=True,
        )
        return ExitCode.FINDING
    say(
        "The trail isn't as the worker wrote it. The mail isn't affected. Keep a copy of the folder as it is, find "
        "out who had access to it, and tell the information governance lead. If you restored or moved the folder or "
        "the journal yourself, expect `copied` and `set-back`. They disappear with the worker's next line.",
        err=True,
    )
    return ExitCode.FINDING


@audit.command("show")
@ConfigOption
@SinceOption
@KindOption
@KeyOption
@WhoOption
@WordsOption
@click.option("--limit", type=click.IntRange(1), help="Show at most this many, the newest.")
@StateOption
@forms
def audit_show(
    config: Path | None, *, limit: int | None, state: Path | None, as_json: bool, as_csv: bool, **given: Any
) -> int:
    """The trail's lines, oldest first. `audit verify` says whether they are as they were written.

    Into a pipe it prints a line for each, with tabs between time, kind, who, key, fields, words, chain and number. With
    --json it prints each line as it is in the trail.
    """
    from worker.cli.list_printing import form_of, print_note
    from worker.cli.list_rows import print_trail

    form = form_of(as_json=as_json, as_csv=as_csv)
    with open_context(config, reading=True, state=state) as context:
        from worker.commands import audit as commands

        chosen = commands.Chosen(commands.audit_entries(context), **given)
        entries = chosen if limit is None else chosen.newest(limit)
        print_trail(entries, form)
    if not chosen.fitting:
        print_note(_nothing_fits(chosen.read, given["kind"]), form)
    if chosen.earlier:
        earlier = f"{counted(chosen.earlier, 'earlier line')} {agreeing(chosen.earlier, 'is', 'are')}"
        print_note(f"{earlier} not shown: `--limit {chosen.earlier + (limit or 0)}` shows all.", form)
    if chosen.unreadable:
        lines = counted(chosen.unreadable, "line")
        say(f"{lines} can't be read: run `{typed('audit verify')}`.", err=True)
    return ExitCode.DONE


def _nothing_fits(read: int, kind: str | None) -> str:
    """Why nothing is shown. read: how many lines were looked at. kind: as typed."""
    from worker.observe.audit.audit_kinds import KINDS

    if not read:
        return "The trail has no lines."
    said = f"None of the {counted(read, 'line')} fits."
    if not kind or any(name.startswith(kind) for name in KINDS):
        return said
    near = [name for name in KINDS if kind.lower().strip() in name]
    names = ", ".join(near or KINDS)
    return f"{said} There is no kind '{kind}'. {'Kinds with that text' if near else 'The kinds'}: {names}."
