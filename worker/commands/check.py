"""The command `check`: the configuration, and with `--connect` one login and the folders."""

import os
from dataclasses import dataclass

from worker.commands.alert_findings import alert_findings, unfit
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.expiry_findings import expiry_findings
from worker.commands.exposure import exposure_findings
from worker.commands.login import sign_in_warning
from worker.commands.login_findings import login_findings
from worker.commands.memory import memory_finding, memory_limit
from worker.commands.proxy_notes import proxy_notes
from worker.commands.size_findings import size_lines
from worker.commands.wiring.clear_text import clear_text
from worker.commands.wiring.retention_wiring import retention_lines
from worker.connections import line_for
from worker.handling.loading import load_handlers
from worker.handling.routing.shadowed import unreachable
from worker.handling.target_down import kind_of
from worker.logs.counted import counted
from worker.mailbox.folder_names import printable
from worker.observe.delivery import NotSent


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. lines: for the user. finding: the worker would start, and not do all that is wanted."""

    lines: list[str]
    finding: bool = False


def check(context: Context) -> Checked:
    """Check the configuration offline, building and closing every handler.

    Raises:
        Failure: with everything that is wrong.
    """
    settings = context.settings
    with context.explained():
        handlers = load_handlers(settings)
        removals = retention_lines(handlers.retentions, context.parts.clock())
        for handler in handlers.values():
            handler.close()
    account = settings.account
    sound = (
        f"The configuration is sound: {account.address} at {account.host}:{account.port}, "
        f"{counted(len(settings.routes), 'route')}, state in {settings.state.dir}."
    )
    never = unreachable(settings.routes)
    lines = [sound, *(f"Route '{rule.route}' can never match: {rule.reason}." for rule in never)]
    lines += [
        f"[handler.{name}] can't be started yet: {kind_of(late.error)}. The worker starts without it, and tries it "
        "again. Its mail waits meanwhile. Check the system behind it."
        for name, late in handlers.late.items()
    ]
    begins = settings.poll.since
    is_early = begins is not None and begins.timestamp() > context.parts.clock()
    if is_early:
        lines.append(f"[poll] since is in the future. Until {begins} the worker handles no mail.")
    clear = clear_text(context.parts, handlers)
    lines += [
        f"[{table}] allow_clear: what the worker sends there crosses the network in clear text, and the receiver "
        "isn't verified. Remove allow_clear once the server supports TLS."
        for table in clear
    ]
    is_without_effect = account.auth == "oauth2-client" and account.sign_in is not None
    if is_without_effect:
        lines.append("[account] sign_in has no effect, because with oauth2-client nobody signs in. Remove it.")
    lines += proxy_notes(settings, os.environ)
    if ending := sign_in_warning(settings):
        lines.append(ending)
    lines += removals
    if memory := memory_finding(settings, memory_limit()):
        lines.append(memory)
    exposed = [*login_findings(context), *exposure_findings(settings, os.environ), *alert_findings(settings)]
    ends, has_ended = expiry_findings(settings, context.parts.clock())
    finding = any((handlers.late, clear, exposed, is_early, is_without_effect, memory, has_ended))
    return Checked([*lines, *exposed, *ends], finding=finding)


def before_connecting(context: Context) -> str:
    """What to tell the user before a login attempt is spent. Empty if none will be made: the refusal says why."""
    with context.opened():
        standing = context.parts.guard().foresee()
    if standing is None:
        return ""
    account = context.settings.account
    begun = f"Logging in once as {account.address}."
    if standing.kind == "token":
        return (
            f"{begun} No password is sent. If the server rejects the token, that counts towards token_attempts "
            f"({standing.remaining_for_credential} left)."
        )
    where = "server" if account.auth == "password" else "sign-in service"
    return (
        f"{begun} If the {where} rejects the password, that spends an attempt. The worker has "
        f"{counted(standing.remaining, 'attempt')} left ({standing.remaining_for_credential} with this password)."
    )


def check_relay(context: Context) -> tuple[list[str], bool]:
    """Greet the relay for alerts, if there is one. No mail is sent.

    Returns what to tell the user, and whether no alert could be sent.

    Raises:
        Failure: it offers no TLS, so that no alert would ever be sent to it.
    """
    host = context.settings.alerts.relay.host
    if host is None:
        return [], False
    from worker.observe.channels import relay_of
    from worker.observe.smtp_conversation import NotEncrypted

    try:
        relay_of(context.settings, host).greet()
    except NotEncrypted:
        text = f"The relay {host} offers no STARTTLS, so no alert is sent to it. Have it turned on there, or "
        raise Failure(ExitCode.CONFIGURATION, f"{text}{line_for('[alerts.relay]')}") from None
    except NotSent as error:
        return [unfit(context.settings, "relay", error)], True
    return [f"The relay {host} can be used for alerts."], False


def check_connection(context: Context) -> Checked:
    """Log in once, and open every folder that the worker needs and that is there.

    What wasn't tried isn't promised: whether a missing folder can be created shows when the worker runs.
    """
    parts = context.parts
    layout = parts.layout
    with context.visit() as (session, found):
        parts.settle().check(session)
        watched = ", ".join(map(printable, layout.watched))
        lines = [
            f"Logged in. {counted(found.count, 'folder')}. Watched: {watched}. Junk is '{printable(layout.junk)}'."
        ]
        absent = [one.name for one in found.absent]
        for name in dict.fromkeys([*layout.watched, *(name for name in parts.targets() if name not in absent)]):
            state = session.select(name)
            lines.append(f"Opened '{printable(name)}': {counted(state.messages, 'message')}.")
            if session.read_only:
                lines.append(_read_only(name, is_watched=name in layout.watched))
        if absent:
            named = ", ".join(f"'{one.name}' ({one.wanted.setting})" for one in found.absent)
            lines.append(
                f"Missing folders: {named}. The worker tries to create missing folders when it runs. This check "
                "didn't try it."
            )
        sizes, is_full = size_lines(context, session)
        return Checked([*lines, *sizes], finding=is_full or any(line.startswith(_ONLY_READ) for line in lines))


_ONLY_READ = "The server lets this account only read"


def _read_only(folder: str, *, is_watched: bool) -> str:
    lost = "no message can be moved out of it" if is_watched else "no message can be moved into it"
    return f"{_ONLY_READ} '{printable(folder)}': {lost}. Ask the Local Administrator for full access to the mailbox."
