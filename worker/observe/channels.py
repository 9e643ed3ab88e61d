"""The alert channels: a webhook (Teams, Slack or plain JSON), and mail through the relay, which needs no login."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from smtplib import SMTP, SMTPException, SMTPRecipientsRefused
from typing import Final, Literal

import httpx

from worker.logs.log import get_logger
from worker.logs.redaction import Secret
from worker.observe.alerts import Alert, Phase, as_json
from worker.observe.delivery import NotSent
from worker.observe.digest import Digest
from worker.settings import Settings, SettingsError, read_secret

log = get_logger()

Form = Literal["teams", "slack", "json"]
TIMEOUT = 10.0

News = Alert | Digest
"""What is sent. Both have a title, a text, what to do, the account and a time, and no field for content."""


class Webhook:
    """Posts alerts to a URL, which is a secret: whoever has it can post there.

    Raises (on creation):
        ValueError: the URL isn't https (http is for this machine alone).
    """

    def __init__(
        self, name: str, url: Secret, form: Form = "json", *, transport: httpx.BaseTransport | None = None
    ) -> None:
        parsed = httpx.URL(url.reveal())
        if parsed.scheme != "https" and not (
            parsed.scheme == "http" and parsed.host in {"localhost", "127.0.0.1", "::1"}
        ):
            raise ValueError("a webhook's URL begins with https://")
        self.name = name
        self._url = parsed
        self._form = _FORMS[form]
        # No redirects: an alert goes where the setting says, or nowhere. Plain http is for this machine alone, so the
        # environment's proxies are ignored then: they would carry the alert elsewhere.
        self._client = httpx.Client(
            timeout=TIMEOUT, follow_redirects=False, transport=transport, trust_env=parsed.scheme == "https"
        )

    def send(self, alert: News) -> None:
        """Post it. Raises `NotSent`."""
        try:
            response = self._client.post(self._url, json=self._form(alert))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError):  # ValueError: the host's name is malformed
            raise NotSent from None  # the error's text holds the URL
        if not response.is_success:
            raise NotSent(response.status_code)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _slack(alert: News) -> dict[str, object]:
    lines = [f"*{alert.title}* ({alert.account})", alert.text, alert.do]
    return {"text": "\n".join(line for line in lines if line)}


def _teams(alert: News) -> dict[str, object]:
    """An Adaptive Card, in the form that the workflow 'When a Teams webhook request is received' takes."""
    calm = not alert.known_count if isinstance(alert, Digest) else alert.phase is Phase.RESOLVED
    colour = "Good" if calm else "Attention"
    lines = [
        {"type": "TextBlock", "text": alert.title, "weight": "Bolder", "size": "Medium", "color": colour, "wrap": True},
        *({"type": "TextBlock", "text": text, "wrap": True} for text in (alert.text, alert.do) if text),
        {"type": "TextBlock", "text": alert.account, "isSubtle": True, "wrap": True},
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": lines,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _json(alert: News) -> dict[str, object]:
    return alert.as_json() if isinstance(alert, Digest) else as_json(alert)


_FORMS: Final[dict[Form, Callable[[News], dict[str, object]]]] = {"teams": _teams, "slack": _slack, "json": _json}


class Relay:
    """Sends alerts by mail through the NHSmail relay: no login, so that nothing here can lock the account.

    sender: the account's address, because a mail's From must be the account in whose name it is sent (policy text,
    'Authentication policy'). If the relay offers STARTTLS, it is used, and the certificate is checked.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int = 25,
        *,
        sender: str,
        to: Sequence[str],
        connect: Callable[[str, int], SMTP] = lambda host, port: SMTP(host, port, timeout=TIMEOUT),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self._host = host
        self._port = port
        self._sender = sender
        self._to = tuple(to)
        self._connect = connect
        self._tls = tls

    def send(self, alert: News) -> None:
        """Send it to everybody on the list.

        If the relay accepts it for some of them and refuses the others, it counts as sent: sending it again would reach
        the same people again and again. The log says how many were refused.

        Raises:
            NotSent: the relay accepted it for nobody.
        """
        try:
            with self._connect(self._host, self._port) as relay:
                relay.ehlo()
                if relay.has_extn("starttls"):
                    relay.starttls(context=self._tls or ssl.create_default_context())
                    relay.ehlo()
                refused = relay.send_message(self.mail(alert), self._sender, self._to)
        except SMTPException as error:
            raise NotSent(_code(error)) from None
        except (OSError, ValueError):  # ValueError: the host's name is malformed, or an address can't be encoded
            raise NotSent from None
        if refused:
            log.warning("alert.partly_refused", sender=self.name, count=len(refused), status=_first_code(refused))

    def mail(self, alert: News) -> EmailMessage:
        """The alert as a mail."""
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._to)
        mail["Subject"] = f"nhsmail-worker: {alert.title}"
        mail["Date"] = format_datetime(alert.at)
        mail["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: asks for no out-of-office replies
        lines = (alert.text, alert.do, f"Mailbox: {alert.account}")
        mail.set_content("\n\n".join(line for line in lines if line) + "\n")
        return mail


def channels_of(settings: Settings) -> list[Webhook | Relay]:
    """The channels that the settings name.

    Raises:
        SettingsError: a webhook's URL isn't an https URL.
    """
    found: list[Webhook | Relay] = []
    alerts = settings.alerts
    forms: tuple[Form, ...] = ("teams", "slack", "json")
    for form in forms:
        url = read_secret(getattr(alerts, f"{form}_webhook"), getattr(alerts, f"{form}_webhook_file"))
        if url is None:
            continue
        try:
            found.append(Webhook(f"{form}-webhook", Secret(url.get_secret_value()), form))
        except (ValueError, httpx.InvalidURL) as problem:
            raise SettingsError([f"[alerts] {form}_webhook: must be a URL that begins with https://."]) from problem
    if alerts.relay.host is not None:
        relay = alerts.relay
        found.append(Relay("relay", alerts.relay.host, relay.port, sender=settings.account.address, to=relay.to))
    return found


def _code(error: SMTPException) -> int | None:
    if isinstance(error, SMTPRecipientsRefused):
        return _first_code(error.recipients)
    return getattr(error, "smtp_code", None)


def _first_code(refused: Mapping[str, tuple[int, bytes]]) -> int | None:
    return next((code for code, _ in refused.values()), None)
