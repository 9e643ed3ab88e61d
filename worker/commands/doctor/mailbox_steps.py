"""The mailbox after the login: its folders, how the junk folder was found, and what the server can do."""

from collections.abc import Iterator, Sequence
from typing import Final

from worker.commands.context import Context
from worker.commands.doctor.reach import NETWORK, YOU
from worker.commands.doctor.steps import Step, note, ok, wrong
from worker.commands.exits import ExitCode
from worker.commands.failures import failure_of
from worker.commands.wiring.login_wiring import help_of
from worker.logs.counted import counted
from worker.mailbox.errors import FolderBusy, FolderRefused, MailboxError
from worker.mailbox.folder_names import find, printable
from worker.mailbox.folders import JUNK_ELSEWHERE, FolderInfo, FolderProblem, JunkBy, NoJunkFolder
from worker.mailbox.session import Session

_FOUND: Final = {
    JunkBy.SETTING: "named by [junk] folder",
    JunkBy.ATTRIBUTE: "found by its attribute \\Junk",
    JunkBy.NAME: "found by its name, which is one of the usual ones",
}

MOST_NAMED: Final = 12
"""How many folders are named."""


def mailbox_steps(context: Context, session: Session, listed: Sequence[FolderInfo]) -> Iterator[Step]:
    """Give the steps of a mailbox whose folders were listed. Changes nothing in it."""
    settings, parts = context.settings, context.parts
    admin = help_of(settings).local_administrator
    try:
        found = parts.finder.find(session, listed)
        watched = parts.layout.watched
        yield _junk(parts.layout.junk, found.junk_by)
    except NoJunkFolder as problem:
        watched = [parts.layout.actual(name) for name in settings.poll.folders]
        yield _no_junk(problem, listed, box=settings.account.address, admin=admin)
    except (FolderProblem, MailboxError) as error:
        yield _failed("folders", error, settings.account.host, admin)
        watched = []
    if watched:
        yield _opened(session, watched, len(listed), host=settings.account.host, admin=admin)
    if session.is_open:
        yield from _abilities(session, idle=settings.poll.idle, admin=admin)


def _junk(name: str, by: JunkBy) -> Step:
    return ok("junk", f"The junk folder is '{printable(name)}', {_FOUND[by]}.")


def _no_junk(problem: NoJunkFolder, listed: Sequence[FolderInfo], *, box: str, admin: str) -> Step:
    """It is there, but nobody could tell: mostly the mailbox is in another language."""
    named = ", ".join(f"'{printable(name)}'" for name in problem.there[:MOST_NAMED])
    likely = [(folder.name, language) for name, language in JUNK_ELSEWHERE.items() if (folder := find(name, listed))]
    hint = "".join(f" '{name}' is what Exchange calls it in {language}." for name, language in likely)
    line = f'worker.toml, [junk]: folder = "{likely[0][0] if likely else "…"}"'
    return wrong(
        "junk",
        f"{problem} Its folders are {named}.{hint} The worker hands nothing over until it knows the junk folder.",
        who=f"{YOU}, or {admin}, who can give the folders their English names",
        do="Name the folder in the configuration, under `[junk]`. Or ask for the mailbox's language to be set.",
        exactly=(
            line,
            f"Set-MailboxRegionalConfiguration -Identity {box} -Language en-GB -LocalizeDefaultFolderName",
        ),
        code=ExitCode.CONFIGURATION,
    )


def _opened(session: Session, watched: Sequence[str], count: int, *, host: str, admin: str) -> Step:
    try:
        for name in watched:
            session.select(name)
            if session.read_only:
                return wrong(
                    "folders",
                    f"The server lets this account only read '{printable(name)}', so nothing can be moved out of it.",
                    who=admin,
                    do="Ask for full access to the mailbox.",
                )
    except MailboxError as error:
        return _failed("folders", error, host, admin)
    named = ", ".join(f"'{printable(name)}'" for name in watched)
    return ok("folders", f"The server lists {counted(count, 'folder')}. {named} can be opened and changed.")


def _failed(name: str, error: Exception, host: str, admin: str) -> Step:
    failed = failure_of(error, host=host)
    if failed is None:
        raise error
    who = f"nobody, if it ends on its own, otherwise {NETWORK}"
    if isinstance(error, FolderProblem):
        who = YOU
    elif isinstance(error, FolderRefused | FolderBusy):
        who = admin
    return wrong(name, str(failed), who=who, code=failed.code)


def _abilities(session: Session, *, idle: bool, admin: str) -> Iterator[Step]:
    moves, expunges = session.has("MOVE"), session.has("UIDPLUS")
    if moves:
        yield ok("move", "The server offers MOVE: a message is moved in one step.")
    elif expunges:
        yield note("move", "The server doesn't offer MOVE: a message is copied, then removed by UID EXPUNGE.")
    else:
        yield wrong(
            "move",
            "The server offers neither MOVE nor UIDPLUS. Without them, moving a message would also delete mail that "
            "other people have marked, so the worker doesn't start on this mailbox.",
            who=f"the people who run the mail server, through {admin}",
            do="Ask for MOVE.",
            code=ExitCode.CONFIGURATION,
        )
    if expunges:
        yield ok("uidplus", "The server offers UIDPLUS: the worker knows at once where a moved message is.")
    else:
        yield note("uidplus", "The server doesn't offer UIDPLUS: the worker finds a moved message by its headers.")
    if not idle:
        yield note("idle", "IDLE isn't used, because `idle` under `[poll]` is off.")
    elif session.has("IDLE"):
        yield ok("idle", "The server offers IDLE: new mail wakes the worker at once.")
    else:
        yield note("idle", "The server doesn't offer IDLE: new mail waits for the next poll, `every` under `[poll]`.")
