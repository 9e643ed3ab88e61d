"""The commands of the group `audit`."""

from datetime import datetime
from pathlib import Path

import click
import orjson

from worker.cli.options import ConfigOption, open_context
from worker.commands.exits import ExitCode


@click.group()
def audit() -> None:
    """The audit trail: who did what and when."""


@audit.command("verify")
@ConfigOption
@click.option("--all", "every", is_flag=True, help="Also miss chains that lie in other hosts' state folders.")
def audit_verify(config: Path | None, *, every: bool) -> int:
    """Check every line and every chain; end with 1 if anything was changed, cut or put in."""
    with open_context(config, reading=True) as context:
        from worker.commands import audit as commands

        found = commands.audit_verify(context, every=every)
    for finding in found.findings:
        click.echo(str(finding))
    for chain in found.elsewhere:
        click.echo(f"{chain}: not in this folder: it is verified on the host that writes it.")
    click.echo(f"{found.records} line(s) in {found.chains} chain(s), {len(found.findings)} finding(s).")
    if found.unanchored:
        click.echo(f"{found.unanchored} line(s) at the end are newer than what the journal vouches for.")
    if found.ok:
        return ExitCode.DONE
    click.echo(
        "The trail isn't as the worker wrote it. The mail goes on. Keep a copy of the folder as it is, find out who "
        "had access to it, and tell the information governance lead.",
        err=True,
    )
    return ExitCode.FINDING


@audit.command("show")
@ConfigOption
@click.option("--kind", default="", help="Only this kind, or all that begin with it: login, message.disposed, …")
@click.option("--key", help="Only what is about the message with this key.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="On this day or later (UTC).")
def audit_show(config: Path | None, kind: str, key: str | None, since: datetime | None) -> int:
    """The trail's lines as JSON, one each, oldest first."""
    start = "" if since is None else since.strftime("%Y-%m-%d")
    with open_context(config, reading=True) as context:
        from worker.commands import audit as commands

        for entry in commands.audit_entries(context):
            if entry["kind"].startswith(kind) and key in (None, entry.get("key")) and entry["at"] >= start:
                click.echo(orjson.dumps(entry).decode())
    return ExitCode.DONE
