"""The commands of the group `audit`."""

from datetime import datetime
from pathlib import Path

import click
import orjson

from worker.cli.options import ConfigOption, open_context
from worker.commands.exits import ExitCode
from worker.logs.printable import printable, printable_json


@click.group()
def audit() -> None:
    """The audit trail: who did what and when."""


@audit.command("verify")
@ConfigOption
@click.option("--all", "every", is_flag=True, help="Also miss chains that lie in other hosts' state folders.")
@click.option("--copy", is_flag=True, help="The state folder is a copy that you made: that alone is no finding.")
def audit_verify(config: Path | None, *, every: bool, copy: bool) -> int:
    """Check every line and every chain; end with 1 if anything was changed, cut or put in.

    Writes nothing. A state folder that can't be written is taken for a copy.
    """
    with open_context(config, reading=True) as context:
        from worker.commands import audit as commands

        found = commands.audit_verify(context, every=every, copy=copy)
    for told in (*found.findings, *found.notes):
        click.echo(printable(str(told)))
    for chain in found.elsewhere:
        click.echo(printable(f"{chain}: not in this folder: it is verified on the host that writes it."))
    if found.copied:
        click.echo("This is a copy: lines that came after it was made can't be missed here.")
    click.echo(f"{found.records} line(s) in {found.chains} chain(s), {len(found.findings)} finding(s).")
    if found.unanchored:
        click.echo(f"unanchored: {found.unanchored} line(s) at the end are newer than what the journal vouches for.")
    if found.ok:
        return ExitCode.DONE
    if found.only_torn:
        click.echo(
            "A sudden stop leaves half a line. The mail goes on. The worker's next line cuts it off and says so in the "
            "trail. If nothing was stopped suddenly, find out who had access to the folder.",
            err=True,
        )
        return ExitCode.FINDING
    click.echo(
        "The trail isn't as the worker wrote it. The mail goes on. Keep a copy of the folder as it is, find out who "
        "had access to it, and tell the information governance lead. If you restored or moved the folder or the "
        "journal yourself, `copied` and `set-back` say just that, and end with the worker's next line.",
        err=True,
    )
    return ExitCode.FINDING


@audit.command("show")
@ConfigOption
@click.option("--kind", default="", help="Only this kind, or all that begin with it: login, message.disposed, …")
@click.option("--key", help="Only what is about the message with this key.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="On this day or later (UTC).")
def audit_show(config: Path | None, kind: str, key: str | None, since: datetime | None) -> int:
    """The trail's lines as JSON, one each, oldest first. Whether they are as written, `audit verify` says."""
    start = "" if since is None else since.strftime("%Y-%m-%d")
    unreadable = 0
    with open_context(config, reading=True) as context:
        from worker.commands import audit as commands

        for entry in commands.audit_entries(context):
            if entry is None:
                unreadable += 1
            elif (
                str(entry.get("kind", "")).startswith(kind)
                and key in (None, entry.get("key"))
                and str(entry.get("at", "")) >= start
            ):
                click.echo(printable_json(orjson.dumps(entry)).decode())
    if unreadable:
        click.echo(f"{unreadable} line(s) can't be read: run `nhsmail-worker audit verify`.", err=True)
    return ExitCode.DONE
