"""The alert channels: a webhook (Teams, Slack or plain JSON), and mail, through a relay or from the account itself."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Final, Literal

import httpx

from worker.connections import Dialer, Proxy, Target, verified_context
from worker.connections.http_transport import ProxiedTransport
from worker.logs.log import get_logger
from worker.logs.redaction import Secret
from worker.observe.alerts import Alert, Phase, as_json
from worker.observe.delivery import NotSent, lost
from worker.observe.digest import Digest
from worker.observe.news import News
from worker.observe.smtp_conversation import Connect, NotEncrypted, SmtpClient, conversation, mail_of, send_to_all
from worker.observe.submission import SignIn, Submission
from worker.observe.webhook_answers import answer_of, why_not_posted
from worker.settings import Settings, SettingsError, proxy_of, read_secret

log = get_logger()

Form = Literal["teams", "slack", "json"]
TIMEOUT = 10.0


class Webhook:
    """Posts alerts to a URL, which is a secret: whoever has it can post there.

    Raises (on creation):
        ValueError: the URL isn't https (http is for this machine alone).
    """

    def __init__(
        self,
        name: str,
        url: Secret,
        form: Form = "json",
        *,
        transport: httpx.BaseTransport | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        parsed = httpx.URL(url.reveal())
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("a webhook's URL begins with https://")
        Target(parsed.scheme, parsed.host, encrypted=parsed.scheme == "https").check("use https://")
        self.name = name
        self._url = parsed
        self._form = _FORMS[form]
        if proxy is not None and parsed.scheme == "https":
            transport = transport or ProxiedTransport(proxy, verified_context())
        # No redirects: an alert goes where the setting says, or nowhere. Plain http is for this machine alone, so the
        # environment's proxies are ignored then: they would carry the alert elsewhere.
        self._client = httpx.Client(
            verify=verified_context(),
            timeout=TIMEOUT,
            follow_redirects=False,
            transport=transport,
            trust_env=proxy is None and parsed.scheme == "https",
        )

    def send(self, alert: News) -> str:
        """Post it, and return what came back. Raises `NotSent`."""
        try:
            response = self._client.post(self._url, json=self._form(alert))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:  # ValueError: a malformed host name
            raise lost(error) from None  # the error's text holds the URL
        said = answer_of(response, self._url)
        if not response.is_success:
            raise NotSent(response.status_code, why_not_posted(response.status_code), said)
        return said

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _slack(alert: News) -> dict[str, object]:
    lines = [f"*{alert.title}* ({alert.account})", alert.text, alert.do]
    return {"text": "\n".join(line for line in lines if line)}


def _teams(alert: News) -> dict[str, object]:
    """An Adaptive Card, in the form that the workflow 'When a Teams webhook request is received' takes."""
    calm = _is_calm(alert)
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


def _is_calm(alert: News) -> bool:
    """Whether nobody has to do anything."""
    match alert:
        case Alert():
            return alert.phase is Phase.RESOLVED
        case Digest():
            return not alert.known_count
    return True


def _json(alert: News) -> dict[str, object]:
    return as_json(alert) if isinstance(alert, Alert) else alert.as_json()


_FORMS: Final[dict[Form, Callable[[News], dict[str, object]]]] = {"teams": _teams, "slack": _slack, "json": _json}


class Relay:
    """Sends alerts by mail through a relay without a login, so that nothing here can lock the account.

    sender: an address of the organisation's own. The account's wouldn't do: NHSmail deletes, unseen, what comes through
    a relay and claims to be from an address of its own. An alert is sent after STARTTLS alone, and certificate and name
    are verified. allow_clear: send it in clear text to a relay that doesn't offer STARTTLS, as to one on this machine.
    ca_file: a file of more authorities to trust.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int = 25,
        *,
        sender: str,
        to: Sequence[str],
        allow_clear: bool = False,
        ca_file: Path | None = None,
        connect: Connect = SmtpClient,
    ) -> None:
        self.name = name
        self._host = host
        self._port = port
        self._sender = sender
        self._to = tuple(to)
        self._clear_is_allowed = allow_clear or Target("smtp", host, port).is_local
        self._ca_file = ca_file
        self._connect = connect

    def send(self, alert: News) -> str:
        """Send it to everybody on the list, and return the relay's words.

        Raises:
            NotSent: the relay accepted it for nobody. NotEncrypted, which is one: it offers no TLS.
        """
        try:
            with self._greeted() as relay:
                return send_to_all(relay, self.mail(alert), self._sender, self._to, channel=self.name)
        except NotEncrypted:
            log.warning("alert.not_encrypted", sender=self.name)
            raise

    def greet(self) -> None:
        """Connect as for an alert, and send none.

        Raises:
            NotSent: an alert couldn't be sent either.
        """
        with self._greeted():
            pass

    def mail(self, alert: News) -> EmailMessage:
        """The alert as a mail."""
        return mail_of(alert, sender=self._sender, to=self._to)

    def _greeted(self) -> AbstractContextManager[SmtpClient]:
        return conversation(
            self._connect,
            self._host,
            self._port,
            ca_file=self._ca_file,
            clear_is_allowed=self._clear_is_allowed,
        )


def channels_of(settings: Settings, sign_in: SignIn | None = None) -> list[Webhook | Relay | Submission]:
    """The channels that the settings name.

    sign_in: the account's, for `[alerts.submission]`.

    Raises:
        SettingsError: a webhook's URL isn't an https URL.
    """
    found: list[Webhook | Relay | Submission] = []
    alerts = settings.alerts
    proxy = proxy_of(settings)
    forms: tuple[Form, ...] = ("teams", "slack", "json")
    for form in forms:
        url = read_secret(getattr(alerts, f"{form}_webhook"), getattr(alerts, f"{form}_webhook_file"))
        if url is None:
            continue
        try:
            found.append(Webhook(f"{form}-webhook", Secret(url.get_secret_value()), form, proxy=proxy))
        except (ValueError, httpx.InvalidURL) as problem:
            raise SettingsError([f"[alerts] {form}_webhook: must be a URL that begins with https://."]) from problem
    if alerts.relay.host is not None:
        found.append(relay_of(settings, alerts.relay.host))
    if alerts.submission.to and sign_in is not None:
        found.append(submission_of(settings, sign_in))
    return found


def relay_of(settings: Settings, host: str) -> Relay:
    """The relay of the settings. host: its name."""
    relay = settings.alerts.relay
    return Relay(
        "relay",
        host,
        relay.port,
        sender=relay.from_ or "",
        to=relay.to,
        allow_clear=relay.allow_clear,
        ca_file=relay.ca_file,
        connect=partial(SmtpClient, dialer=_dialer(settings, host, relay.port)),
    )


def submission_of(settings: Settings, sign_in: SignIn) -> Submission:
    """The submission of the settings."""
    submission = settings.alerts.submission
    return Submission(
        "submission",
        submission.host,
        submission.port,
        account=settings.account.address,
        to=submission.to,
        sign_in=sign_in,
        ca_file=submission.ca_file,
        dialer=_dialer(settings, submission.host, submission.port),
    )


def _dialer(settings: Settings, host: str, port: int) -> Dialer | None:
    """What opens the connections to a mail server: the proxy; None for a direct one, as to this machine's own."""
    return None if Target("smtp", host, port).is_local else proxy_of(settings)
