"""The settings of what the worker shows of itself: health, alerts, audit trail, help texts and log."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from worker.settings.types import SENDER_EXAMPLE, Host, PositiveDuration, Recipient, Sender, Table, read_listen


class HealthSettings(Table):
    """Where the health probes, the metrics and the status page are served."""

    about = "Health probes, metrics and the status page, on one port."

    listen: Annotated[str, BeforeValidator(read_listen)] = Field(
        default="127.0.0.1:8080",
        description=(
            'Address and port. `"off"` (or `""`) turns it off. If the address is reachable from other machines, '
            "page and metrics need `token`."
        ),
    )
    token: SecretStr | None = Field(default=None, description="The bearer token for the page and the metrics.")
    token_file: Path | None = Field(default=None, description="A file that holds this token.")
    stuck_after: PositiveDuration = Field(
        default=timedelta(hours=1),
        description=(
            "A handler that takes longer than this with one message is stuck. If all threads are stuck, also those "
            "that replaced others, `/livez` fails."
        ),
    )


class RelaySettings(Table):
    """Mail through the NHSmail relay, which needs no login."""

    about = (
        "Alerts by mail, through a relay that needs no login, such as NHSmail's own: `relay.nhs.uk`, port 25. That "
        "relay is reachable only from HSCN, and accepts mail only from registered addresses."
    )

    host: Host | None = Field(
        default=None, description='The relay, such as `"relay.nhs.uk"`. Unset: no alert goes through a relay.'
    )
    from_: Sender | None = Field(
        default=None,
        alias="from",
        description=(
            "The sender address of alerts, required if `host` is set. It is one of your organisation's own "
            f'addresses, such as `"{SENDER_EXAMPLE}"`. NHSmail deletes mail from a relay that claims to come from '
            "nhs.net, and tells nobody. So the worker doesn't accept these addresses."
        ),
    )
    port: int = Field(default=25, ge=1, le=65535, description="Its port. The connection is encrypted by STARTTLS.")
    ca_file: Path | None = Field(
        default=None,
        description=(
            "A PEM file of authorities to trust, in addition to the system's. Verification can't be turned off."
        ),
    )
    allow_clear: bool = Field(
        default=False,
        description="Send alerts in clear text to a relay on another machine that offers no STARTTLS. `check` and the "
        "log say so.",
    )
    to: tuple[Recipient, ...] = Field(default=(), description="Who is told.")


class SubmissionSettings(Table):
    """Mail through the mail service itself, by the account's own OAuth sign-in."""

    about = (
        "Alerts by mail from the account itself, through the mail service's SMTP submission. The worker uses "
        "STARTTLS, XOAUTH2 and the same sign-in as for reading the mailbox ([what has to be "
        "granted](nhsmail.md#alerts-from-the-account-itself)). The worker never sends a password over SMTP, so this "
        "needs an OAuth flow. While the login is halted, this way sends nothing: set a second way."
    )

    host: Host = Field(default="smtp.office365.com", description="The mail service's server for submission.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port. STARTTLS is required.")
    ca_file: Path | None = Field(
        default=None,
        description=(
            "A PEM file of authorities to trust, in addition to the system's. Verification can't be turned off."
        ),
    )
    to: tuple[Recipient, ...] = Field(default=(), description="Who gets the alerts. Empty: nothing is sent this way.")


class AlertsSettings(Table):
    """Whom the worker alerts, and when."""

    about = (
        "Who gets alerts about trouble: one when it begins and one when it is over. (The alert about a pause is "
        "repeated each day.) An alert holds no content of mail. The worker uses each way that is set."
    )

    teams_webhook: SecretStr | None = Field(
        default=None, description="The URL of a Teams workflow ('When a Teams webhook request is received')."
    )
    teams_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    slack_webhook: SecretStr | None = Field(default=None, description="The URL of a Slack incoming webhook.")
    slack_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    json_webhook: SecretStr | None = Field(default=None, description="A URL that receives each alert as plain JSON.")
    json_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    relay: RelaySettings = Field(default_factory=RelaySettings.model_construct)
    submission: SubmissionSettings = Field(default_factory=SubmissionSettings.model_construct)
    every: PositiveDuration = Field(default=timedelta(seconds=30), description="The time between two checks.")
    oldest_message: PositiveDuration = Field(
        default=timedelta(hours=1), description="A message that waits for longer than this raises an alert."
    )
    paused_for: PositiveDuration = Field(
        default=timedelta(hours=1),
        description=(
            "A pause that lasts longer than this raises an alert, and again each day, because it may have been "
            "forgotten."
        ),
    )
    again_after: PositiveDuration = Field(
        default=timedelta(hours=1),
        description=(
            "The shortest time between two alerts about a growing number of dead letters, or of junk from known "
            "senders."
        ),
    )


class AuditSettings(Table):
    """Where the audit trail is copied to."""

    about = "The audit trail itself is in the state folder. The owner of that folder can't reach a copy elsewhere."

    mirror: Literal["none", "stdout", "syslog"] = Field(
        default="none",
        description=("Where the worker also sends each line at once: standard output, or a syslog service."),
    )
    syslog: str = Field(
        default="/dev/log",
        description="The syslog service: a socket, or a host and UDP port (`log.example:514`). UDP is clear text, so "
        "another machine needs `allow_clear`.",
    )
    allow_clear: bool = Field(
        default=False,
        description="Accept that the trail goes to another machine in clear text. `check` and the log say so.",
    )


class HelpSettings(Table):
    """Whom messages tell people to contact."""

    about = "The people that messages tell you to ask. The numbers come from NHSmail's policy text."

    local_administrator: str = Field(
        default="your Local Administrator",
        description="Who unlocks and enables the account: a name, a team or a number.",
    )
    helpdesk: str = Field(
        default="the NHSmail helpdesk, 0333 200 1133", description="For questions about the connection only."
    )
    relay_helpdesk: str = Field(
        default="the relay helpdesk, 0333 200 4333", description="For questions about the relay only."
    )


class LogSettings(Table):
    """What is logged, and how."""

    about = "Logs go to standard error. They hold no content of mail and no secret, at any level."

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description=("The lowest level that is logged.")
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="JSON lines, or text for people. `auto`: text on a terminal, JSON elsewhere."
    )
