"""The command line: arguments in, text and an exit code out. It knows neither IMAP nor SQL."""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from worker import __version__
from worker.classify.policy import SOURCES
from worker.commands.exits import ExitCode, Failure
from worker.loop.signals import catch_ending
from worker.message.outcome import State

DEFAULT_CONFIG = "worker.toml"
CONFIG_HELP = "The configuration file (default: worker.toml, or what NHSMAIL_CONFIG names)."

ConfigOption = click.option(
    "--config", "config", type=click.Path(dir_okay=False, path_type=Path), envvar="NHSMAIL_CONFIG", help=CONFIG_HELP
)
UnusedConfigOption = click.option(
    "--config", type=click.Path(dir_okay=False), expose_value=False, help="Taken by every command; this one needs none."
)
JsonOption = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


LimitOption = click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Show so many at most, the newest first."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except Exception:  # noqa: BLE001 -- a fault of ours must not end with 1, which says that something was found
        sys.excepthook(*sys.exc_info())
        code = ExitCode.FAULT
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit code of the contract's table."""
    try:
        return int(commands.main(args=arguments, prog_name="nhsmail-worker", standalone_mode=False) or 0)
    except click.exceptions.Abort:
        return ExitCode.FAULT
    except click.ClickException as problem:
        problem.show()
        return ExitCode.USAGE
    except Failure as failure:
        click.echo(str(failure), err=True)
        return failure.code


def _as_utf8(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """What was typed, in characters that can be written down: a terminal may have sent bytes that are no UTF-8."""
    return value.encode("utf-8", "replace").decode()


def _words(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A reason that says something: somebody will read it in the audit trail."""
    if not value.strip():
        raise click.BadParameter("say why, in words: it goes into the audit trail. Nothing was done.")
    return _as_utf8(context, parameter, value)


@click.group()
@click.version_option(__version__, prog_name="nhsmail-worker")
def commands() -> None:
    """Watches one NHSmail mailbox: junk down a path of its own, clean mail to handlers, the account never locked."""


@commands.command("run")
@ConfigOption
def run_command(config: Path | None) -> int:
    """Poll the mailbox until SIGTERM or SIGINT; finish what is in hand."""
    end = catch_ending()
    with _app(config, logs=True) as app:
        return int(app.run(end))


@commands.command()
@ConfigOption
@click.option("--dry-run", is_flag=True, help="Say what each message would come to, and change nothing.")
def once(config: Path | None, *, dry_run: bool) -> int:
    """Drain the mailbox and end."""
    from worker.printing import print_foreseen

    with _app(config, logs=True, quiet=sys.stderr.isatty()) as app:
        if dry_run:
            return print_foreseen(app.preview())
        with _progress() as progress:
            summary = app.once(progress)
        with suppress(OSError):  # the mailbox is drained, whether or not that can still be told
            click.echo(summary.text(), err=True)
        return int(summary.exit_code)


@commands.command()
@ConfigOption
@click.option("--connect", is_flag=True, help="Also log in once, through the guard, and look at the folders.")
def check(config: Path | None, *, connect: bool) -> int:
    """Check the configuration, and report everything that is wrong with it."""
    with _app(config) as app:
        for line in app.check():
            click.echo(line)
        if connect:
            if said := app.before_connecting():
                click.echo(said, err=True)
            for line in app.check_connection():
                click.echo(line)
    return ExitCode.DONE


@commands.command()
@ConfigOption
@JsonOption
def status(config: Path | None, *, as_json: bool) -> int:
    """The state of the worker, from the journal alone."""
    from worker.printing import print_status

    with _app(config, reading=True) as app:
        found = app.status()
    if as_json:
        _print_json(found)
    else:
        print_status(found)
    return ExitCode.DONE


@commands.command()
@ConfigOption
@JsonOption
def reconcile(config: Path | None, *, as_json: bool) -> int:
    """Hold every message against the journal; end with 1 if one is unaccounted for."""
    from worker.printing import print_balance

    with _app(config) as app:
        balance = app.reconcile()
    if as_json:
        _print_json(balance.as_json())
    else:
        print_balance(balance)
    return ExitCode.FINDING if balance.unaccounted else ExitCode.DONE


@commands.command()
@ConfigOption
def pause(config: Path | None) -> int:
    """Hand over and settle nothing until `resume`; the connection and the health stay."""
    with _app(config) as app:
        app.pause()
    click.echo("Paused: mail stays in the mailbox untouched until `nhsmail-worker resume`.")
    return ExitCode.DONE


@commands.command()
@ConfigOption
def resume(config: Path | None) -> int:
    """Let the work go on after `pause`."""
    with _app(config) as app:
        app.resume()
    click.echo("Resumed: work goes on with the next poll.")
    return ExitCode.DONE


@commands.group()
def junk() -> None:
    """Review the junk path: what was kept from the handlers, and why."""


@junk.command("list")
@ConfigOption
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Received on this day or later.")
@click.option("--sender", help="Part of the sender's name or address.")
@click.option("--evidence", type=click.Choice(SOURCES), help="Junk by evidence from this source.")
@click.option("--known", is_flag=True, help="Only from known senders: most likely here by mistake.")
@LimitOption
def junk_list(config: Path | None, since: datetime | None, limit: int, **filters: Any) -> int:
    """Junk, newest first, read from the mailbox at this moment; `*` marks known senders."""
    from worker.printing import print_list

    earliest = {} if since is None else {"since": since.replace(tzinfo=UTC).timestamp()}
    with _app(config) as app:
        listed = app.review(State.JUNK, limit=limit, **earliest, **filters)
    return print_list(listed, limit)


@junk.command("show")
@ConfigOption
@click.argument("key")
def junk_show(config: Path | None, key: str) -> int:
    """One message: its headers, the evidence, a plain preview, its attachments by name and type."""
    from worker.printing import print_shown

    with _app(config) as app:
        return print_shown(app.show(key))


@junk.command("release")
@ConfigOption
@click.argument("keys", nargs=-1, required=True)
@click.option("--reason", required=True, callback=_words, help="Why it is clean. Goes into the audit trail.")
def junk_release(config: Path | None, keys: tuple[str, ...], reason: str) -> int:
    """Say that messages are clean: they are handled as such, and never junked again."""
    from worker.journal.intents import Kind

    with _app(config) as app:
        click.echo(app.ask(Kind.RELEASE, keys, reason))
    return ExitCode.DONE


@commands.group()
def failed() -> None:
    """Dead letters: what could not be handled, kept whole."""


@failed.command("list")
@ConfigOption
@LimitOption
def failed_list(config: Path | None, limit: int) -> int:
    """Dead letters, newest first, read from the mailbox at this moment."""
    from worker.printing import print_list

    with _app(config) as app:
        return print_list(app.review(State.FAILED, limit=limit), limit)


@failed.command("show")
@ConfigOption
@click.argument("key")
def failed_show(config: Path | None, key: str) -> int:
    """One dead letter, as for `junk show`."""
    from worker.printing import print_shown

    with _app(config) as app:
        return print_shown(app.show(key))


@failed.command("retry")
@ConfigOption
@click.argument("keys", nargs=-1, required=True)
@click.option("--reason", default="", callback=_as_utf8, help="Why it should work now. Goes into the audit trail.")
def failed_retry(config: Path | None, keys: tuple[str, ...], reason: str) -> int:
    """Try dead letters again, with the same key; handlers that finished aren't called again."""
    from worker.journal.intents import Kind

    with _app(config) as app:
        click.echo(app.ask(Kind.RETRY, keys, reason))
    return ExitCode.DONE


@commands.group()
def journal() -> None:
    """The journal's upkeep: after damage, and over the years."""


@journal.command("rebuild")
@ConfigOption
@click.option(
    "--assume-handled-before",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Take mail in the watched folders that was received before this day (UTC) as handled.",
)
def journal_rebuild(config: Path | None, assume_handled_before: datetime | None) -> int:
    """Make the journal anew from what the mailbox shows; a damaged one is kept under another name."""
    before = None if assume_handled_before is None else assume_handled_before.replace(tzinfo=UTC)
    with _app(config) as app:
        rebuilt, damaged = app.rebuild(before)
        paused = app.is_paused
    if damaged is not None:
        click.echo(f"The damaged journal was kept as {damaged}.")
    click.echo(
        f"Entered {rebuilt.handled} handled, {rebuilt.junk} junk and {rebuilt.failed} failed messages. "
        f"{rebuilt.left} in the watched folders are taken up as new by the next poll."
    )
    if paused:
        click.echo("The worker is still paused: nothing is handed over until `nhsmail-worker resume`.")
    return ExitCode.DONE


@journal.command("compact")
@ConfigOption
def journal_compact(config: Path | None) -> int:
    """Reduce rows of mail that was settled long ago, and is in no folder any more, to their number."""
    with _app(config) as app:
        count = app.compact()
    click.echo(f"{count} row(s) compacted. A row goes when two walks missed its message: a day's, or this command's.")
    return ExitCode.DONE


MessageFile = click.argument("eml", metavar="FILE.eml", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@commands.group()
def route() -> None:
    """For those who write routes."""


@route.command("explain")
@ConfigOption
@MessageFile
@click.option("--folder", help="The folder that the message lies in (default: the first that is watched).")
@JsonOption
def route_explain(config: Path | None, eml: Path, folder: str | None, *, as_json: bool) -> int:
    """Which route takes the message in a file, and why; end with 1 if it would be a dead letter. No connection."""
    from worker.commands.explain import Fate, explain, read_message
    from worker.handling.loading import missing_handlers
    from worker.printing import print_explanation

    settings = _settings(config)
    with _readable(eml):
        found = explain(read_message(eml, settings, folder), settings)
    if as_json:
        _print_json(found.as_json())
    else:
        print_explanation(found)
    for fault in missing_handlers(found.handlers, settings.handlers):
        click.echo(f"The worker won't start so: {fault}", err=True)
    return ExitCode.FINDING if found.fate is Fate.DEAD_LETTER else ExitCode.DONE


@commands.group()
def handler() -> None:
    """For handler authors."""


@handler.command("try")
@ConfigOption
@click.argument("name")
@MessageFile
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="A setting of the handler; may be repeated.")
def handler_try(config: Path | None, name: str, eml: Path, options: tuple[str, ...]) -> int:
    """Give one handler one message from a file, without a mailbox; what it does, it really does.

    Ends with 1 if the message would be tried again or be a dead letter.
    """
    from worker.commands.authors import try_handler
    from worker.commands.failures import faulty
    from worker.settings import SettingsError

    path = _config_path(config)
    settings = None if path == Path(DEFAULT_CONFIG) and not path.exists() else _settings(config)
    with _readable(eml):
        try:
            tried = try_handler(name, eml, settings=settings, options=dict(map(_key_and_value, options)))
        except SettingsError as error:
            raise faulty(error) from error
    click.echo(tried.text)
    return ExitCode.DONE if tried.result.done else ExitCode.FINDING


@handler.command("new")
@UnusedConfigOption
@click.argument("name")
def handler_new(name: str) -> int:
    """Write the skeleton of a handler's package, with its test."""
    from worker.commands.authors import CannotBegin, new_handler

    try:
        paths = new_handler(name, Path())
    except CannotBegin as problem:
        raise Failure(ExitCode.USAGE, str(problem)) from problem
    except OSError as problem:
        text = f"{problem.filename} can't be written: {problem.strerror}. Go to a folder of your own, and try again."
        raise Failure(ExitCode.USAGE, text) from problem
    for path in paths:
        click.echo(str(path))
    click.echo(f"Next: pip install -e './{name}[test]' && python -m pytest {name}/tests", err=True)
    return ExitCode.DONE


def _key_and_value(option: str) -> tuple[str, str]:
    key, is_given, value = option.partition("=")
    if not key or not is_given:
        raise Failure(ExitCode.USAGE, f"--set {option}: write it as KEY=VALUE, such as --set folder=filed.")
    return key, value


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what may be wrong with a message's file into a text."""
    from worker.commands.explain import NotAMessage

    try:
        yield
    except NotAMessage as problem:
        raise Failure(ExitCode.USAGE, str(problem)) from problem
    except OSError as problem:
        raise Failure(ExitCode.USAGE, f"{path} can't be read: {problem.strerror}.") from problem


@commands.group()
def login() -> None:
    """The login guard: how it stands, the reset after an unlock, the OAuth sign-in."""


@login.command("status")
@ConfigOption
@JsonOption
def login_status(config: Path | None, *, as_json: bool) -> int:
    """How the login stands, and what to do about it."""
    with _app(config, reading=True) as app:
        found, advice = app.login_status()
    if as_json:
        _print_json(found)
    else:
        from worker.printing import login_line

        click.echo(login_line(found))
        if found["state"] != "ready":
            click.echo(advice)
    return ExitCode.DONE


@login.command("reset")
@ConfigOption
@click.option(
    "--reason",
    required=True,
    callback=_words,
    help="Why: who unlocked the account, and when. Goes into the audit trail.",
)
@click.option("--again", is_flag=True, help="Reset although the last reset has had no success since.")
def login_reset(config: Path | None, reason: str, *, again: bool) -> int:
    """Forget all failed attempts, once the Local Administrator has unlocked the account."""
    with _app(config) as app:
        app.login_reset(reason, again=again)
    click.echo("Reset: the worker may use its attempts anew, and makes the next one at its next look.")
    return ExitCode.DONE


@login.command("authorise")
@ConfigOption
def login_authorise(config: Path | None) -> int:
    """Sign in with a browser, once, for auth = "oauth2-device"."""
    with _app(config) as app:
        app.login_authorise(click.echo)
    click.echo("Signed in. The worker uses it at its next look.")
    return ExitCode.DONE


@commands.group()
def audit() -> None:
    """The audit trail: who did what and when."""


@audit.command("verify")
@ConfigOption
@click.option("--all", "every", is_flag=True, help="Also miss chains that lie in other hosts' state folders.")
def audit_verify(config: Path | None, *, every: bool) -> int:
    """Check every line and every chain; end with 1 if anything was changed, cut or put in."""
    with _app(config, reading=True) as app:
        found = app.audit_verify(every=every)
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
    with _app(config, reading=True) as app:
        for entry in app.audit_entries():
            if entry["kind"].startswith(kind) and key in (None, entry.get("key")) and entry["at"] >= start:
                click.echo(orjson.dumps(entry).decode())
    return ExitCode.DONE


@commands.command(context_settings={"allow_interspersed_args": False})
@UnusedConfigOption
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-state"),
    show_default=True,
    help="Where the demo keeps its mailbox, its state and its archive.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def demo(directory: Path, command: tuple[str, ...]) -> int:
    """The whole worker on an embedded mailbox with sample mail; or a COMMAND on what an earlier demo left."""
    from rich.console import Console

    from worker import demo as demonstration

    return demonstration.run(directory, list(command), Console())


# -- printing ----------------------------------------------------------------------------------------------------------


def _app(config: Path | None, *, logs: bool = False, quiet: bool = False, reading: bool = False) -> Any:
    """The application, built from the settings. Imported here: `--help` and usage errors needn't wait for it."""
    path = _config_path(config)
    # What is made while we start stays until the end: the collector looks at none of it, now or ever after.
    gc.disable()
    try:
        from worker.commands.context import App

        return App.from_files(path, os.environ, logs=logs, quiet=quiet, reading=reading)
    finally:
        gc.freeze()
        gc.enable()


def _config_path(config: Path | None) -> Path | None:
    """The configuration file; None where there is none, and the environment has it all."""
    if config is not None or Path(DEFAULT_CONFIG).exists():
        return config or Path(DEFAULT_CONFIG)
    return None if any(name.startswith("NHSMAIL_ACCOUNT__") for name in os.environ) else Path(DEFAULT_CONFIG)


def _settings(config: Path | None) -> Any:
    """The settings alone: no file that they name, no handler and no state folder is looked at."""
    from worker.commands.failures import faulty
    from worker.settings import SettingsError, load

    try:
        return load(_config_path(config), os.environ, [])
    except SettingsError as error:
        raise faulty(error) from error


def _print_json(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _progress() -> Any:
    from worker.observe.progress import progress

    return progress(sys.stderr)
