"""The command `alerts test`: one trial alert to each channel, and what came back."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.wiring.sending_wiring import sending_sign_in_of
from worker.observe.bounded_channel import BoundedChannel
from worker.observe.channels import Webhook, channels_of
from worker.observe.delivery import Channel, NotSent
from worker.observe.send_advice import Way, in_words, told
from worker.observe.send_failure import Why
from worker.observe.trial_alert import TrialAlert
from worker.settings import Settings

_NO_CHANNEL: Final = (
    "No way for alerts is set, so nobody gets an alert when the worker stops. Set a webhook, [alerts.relay] or "
    "[alerts.submission]. Nothing was sent."
)


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a trial alert by one channel. said: the receiver's words. cause: see `Why`; empty if it was taken.

    happened, means, do: for a person, where it wasn't taken.
    """

    channel: str
    accepted: bool
    said: str = ""
    status: int | None = None
    cause: str = ""
    happened: str = ""
    means: str = ""
    do: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def alerts_test(context: Context) -> list[Tested]:
    """Send a trial alert to each channel that is set, one after the other.

    Raises:
        Failure: none is set.
    """
    settings = context.settings
    if settings.alerts.submission.to:
        with context.opened():
            return _tested(context)
    with context.explained():
        return _tested(context)


def _tested(context: Context) -> list[Tested]:
    settings, clock = context.settings, context.parts.clock
    sign_in = sending_sign_in_of(settings, context.parts.journal, clock, by_person=True)
    trial = TrialAlert(settings.account.address, datetime.fromtimestamp(clock(), UTC))
    with ExitStack() as stack:
        found = channels_of(settings, sign_in)
        for one in found:
            if isinstance(one, Webhook):
                stack.callback(one.close)
        if not found:
            raise Failure(ExitCode.CONFIGURATION, _NO_CHANNEL)
        return try_each(settings, [BoundedChannel[TrialAlert](one) for one in found], trial)


def try_each(settings: Settings, channels: Sequence[Channel[TrialAlert]], trial: TrialAlert) -> list[Tested]:
    """Send it to each of these channels."""
    return [_test(settings, channel, trial) for channel in channels]


def _test(settings: Settings, channel: Channel[TrialAlert], trial: TrialAlert) -> Tested:
    try:
        return Tested(channel.name, accepted=True, said=channel.send(trial) or "")
    except NotSent as error:
        return not_sent(settings, channel.name, error)
    except Exception as error:  # noqa: BLE001 -- one channel must not stop the others from being tested
        return not_sent(settings, channel.name, NotSent(None, Why.OTHER, type(error).__name__))


def not_sent(settings: Settings, channel: str, error: NotSent) -> Tested:
    """What a person is told of a trial alert that wasn't taken."""
    found = told(_way(channel), error.why)
    filled = {part: in_words(getattr(found, part), **_names(settings, channel)) for part in ("happened", "means", "do")}
    return Tested(channel, accepted=False, said=error.said, status=error.status, cause=error.why.value, **filled)


def _way(channel: str) -> Way:
    return "relay" if channel == "relay" else "submission" if channel == "submission" else "webhook"


def _names(settings: Settings, channel: str) -> dict[str, str]:
    """What stands for the placeholders of the advice. A webhook's host is part of a secret, so it isn't shown."""
    alerts, help_ = settings.alerts, settings.help
    match _way(channel):
        case "relay":
            server, table = f"{alerts.relay.host}:{alerts.relay.port}", "[alerts.relay]"
        case "submission":
            server, table = f"{alerts.submission.host}:{alerts.submission.port}", "[alerts.submission]"
        case _:
            server, table = (
                f"the webhook of [alerts] {channel.replace('-', '_')}",
                f"[alerts] {channel.replace('-', '_')}_file",
            )
    return {
        "server": server,
        "table": table,
        "account": settings.account.address,
        "who": help_.local_administrator,
        "helpdesk": help_.helpdesk,
        "relay_helpdesk": help_.relay_helpdesk,
    }
