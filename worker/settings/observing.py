"""The settings of what the worker shows of itself: health, alerts, audit trail, help texts and log."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from worker.settings.types import Host, PositiveDuration, Recipient, Table, read_listen


class HealthSettings(Table):
    """Where the health probes, the metrics and the status page are served."""

    about = "Health probes, metrics and the status page, on one port."

    listen: Annotated[str, BeforeValidator(read_listen)] = Field(
        default="127.0.0.1:8080",
        description='Address and port; `"off"` (or `""`) turns it off. Beyond loopback, page and metrics ask for '
        "`token`.",
    )
    token: SecretStr | None = Field(default=None, description="The bearer token that the page and the metrics ask for.")
    token_file: Path | None = Field(default=None, description="A file that holds this token.")
    stuck_after: PositiveDuration = Field(
        default=timedelta(hours=1),
        description="A handler that is longer than this with one message is stuck; with all threads stuck, and those "
        "that replaced others, `/livez` fails.",
    )


class RelaySettings(Table):
    """Mail through the NHSmail relay, which needs no login."""

    about = "Alerts by mail, through the NHSmail relay: no login, from the account's own address."

    host: Host | None = Field(default=None, description="The relay; unset: no alert goes out by mail.")
    port: int = Field(default=25, ge=1, le=65535, description="Its port. STARTTLS is used where it is offered.")
    to: tuple[Recipient, ...] = Field(default=(), description="Who is told.")


class AlertsSettings(Table):
    """Whom the worker alerts, and when."""

    about = (
        "Whom the worker itself tells of trouble, once when it begins and once when it is over. An alert holds no "
        "content of mail. Each way out that is set is used."
    )

    teams_webhook: SecretStr | None = Field(
        default=None, description="The URL of a Teams workflow ('When a Teams webhook request is received')."
    )
    teams_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    slack_webhook: SecretStr | None = Field(default=None, description="The URL of a Slack incoming webhook.")
    slack_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    json_webhook: SecretStr | None = Field(default=None, description="A URL that is sent each alert as plain JSON.")
    json_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    relay: RelaySettings = Field(default_factory=RelaySettings)
    every: PositiveDuration = Field(default=timedelta(seconds=30), description="The time between two checks.")
    oldest_message: PositiveDuration = Field(
        default=timedelta(hours=1), description="A message that has been waiting for longer than this is an alert."
    )
    again_after: PositiveDuration = Field(
        default=timedelta(hours=1),
        description="The least time between two alerts of dead letters, or of junk from known senders, that grow.",
    )


class AuditSettings(Table):
    """Where the audit trail is copied to."""

    about = "The audit trail itself lies in the state folder. A copy elsewhere is out of reach of that folder's owner."

    mirror: Literal["none", "stdout", "syslog"] = Field(
        default="none", description="Where each line goes as well, at once: standard output, or a syslog service."
    )
    syslog: str = Field(
        default="/dev/log",
        description="The syslog service: a socket, or a host and UDP port (`log.example:514`).",
    )


class HelpSettings(Table):
    """Whom messages tell people to contact."""

    about = "Whom messages tell a person to turn to. The numbers are those of NHSmail's policy text."

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

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="JSON lines, text for people, or whichever suits: text on a terminal."
    )
