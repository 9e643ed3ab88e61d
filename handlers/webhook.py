"""`webhook`: posts each message to an HTTPS address, as JSON or multipart/form-data.

`Idempotency-Key` (and `webhook-id`) is the message's key, the same for every try of the message, so that the far end
can drop duplicates. Where a person has a message handled again, it is `KEY.1`, `KEY.2`, …, and the JSON has the number
in `redelivery`. Signatures follow Standard Webhooks (standardwebhooks.com): the headers `webhook-id`,
`webhook-timestamp` and `webhook-signature`, which is an HMAC-SHA256 of the first two and the body.

Redirects aren't followed. Patient data must not go to another host, and a new address on the same host belongs in the
configuration.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from worker import Message, Reject, Retry, as_json, describe
from worker.connections import Proxy, ProxyTrouble, Target, verified_context

if TYPE_CHECKING:
    import httpx

_LATER = frozenset({408, 409, 423, 425, 429})  # 409: the far end is still busy with the same Idempotency-Key
_LONGEST_WAIT = timedelta(days=1)
_LONGEST_REST = 65_536  # bytes
_SHORT = 2  # seconds
_LEAST_SECRET = 24  # bytes; the minimum of Standard Webhooks
_OURS = frozenset(
    {"content-length", "content-type", "host", "idempotency-key", "transfer-encoding"}
    | {"webhook-id", "webhook-signature", "webhook-timestamp"}
)


class WebhookRefused(Exception):
    """The answer is about the address or the credentials, not the message: 401, 404 or a redirect, for instance."""


class CertificateRefused(Exception):
    """The far end's certificate isn't trusted, so nothing was sent."""


class Webhook:
    """Posts each message to an HTTPS address, as JSON or as a form.

    Each call posts it once. Thread-safe.
    """

    outages = (WebhookRefused, CertificateRefused)
    real_effect = "sends the message to the server that `url` names"

    class Settings(BaseModel):
        """The table `[handler.webhook]`."""

        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

        url: str = Field(
            description="Where to: an `https://` address; `http://` only on this very machine.",
            examples=["https://results.trust.nhs.uk/mail"],
        )
        format: Literal["json", "multipart"] = Field(
            default="json",
            description="`json`: one object, files in it as base64. `multipart`: a form whose part `message` is that "
            "object, and whose files are parts of their own.",
        )
        content: Literal["none", "raw", "attachments"] = Field(
            default="raw",
            description="What goes along with what `message.json` has. `raw`: the message as fetched. `attachments`: "
            "`text`, `html` and each attachment, decoded.",
        )
        parse: bool = Field(
            default=True,
            description="List the attachments. Without that no message needs to be parsed, as far as `content` allows.",
        )
        signing_secret: SecretStr | None = Field(
            default=None,
            description="Signs each request: `whsec_` and base64, or any text of 24 bytes or more. Several, with "
            "spaces between them, sign each: that is how a secret is changed.",
        )
        bearer_token: SecretStr | None = Field(
            default=None, description="Sent with each request, as `Authorization: Bearer …`."
        )
        headers: dict[str, str] = Field(
            default_factory=dict, description="Further headers of each request. They can't hold secrets."
        )
        ca_file: Path | None = Field(default=None, description="A PEM file with a private CA that is trusted as well.")
        client_certificate_file: Path | None = Field(
            default=None,
            description="A PEM file with the worker's certificate, and with its key unless `client_key_file` has it.",
        )
        client_key_file: Path | None = Field(default=None, description="A PEM file with the key of that certificate.")
        client_key_password: SecretStr | None = Field(default=None, description="The password of that key.")
        reject: frozenset[int] = Field(
            default=frozenset({400, 413, 415, 422}),
            description="HTTP statuses that refuse the message for good. It is a dead letter at once.",
        )
        connect_timeout: timedelta = Field(
            default=timedelta(seconds=10), gt=timedelta(0), description="How long to wait for a connection."
        )
        timeout: timedelta = Field(
            default=timedelta(minutes=1), gt=timedelta(0), description="How long a request may take in all."
        )
        connections: int = Field(default=10, ge=1, le=1000, description="Connections at once, at most.")

        @field_validator("url")
        @classmethod
        def _is_safe(cls, url: str) -> str:
            try:
                parts = urlsplit(url)
                _ = parts.port
            except ValueError:
                raise ValueError("must be a URL, such as https://results.example.nhs.uk/mail") from None
            if not parts.hostname or parts.fragment or any(c <= " " or c == "\x7f" for c in url):
                raise ValueError("must be a URL, such as https://results.example.nhs.uk/mail, without a #")
            if parts.username is not None or parts.password is not None:
                raise ValueError("can't hold a user or a password: use bearer_token_file or a client certificate")
            if parts.scheme not in ("http", "https") or Target.of(url, encrypted=("https",)).is_clear:
                raise ValueError("must begin with https://: mail doesn't leave this machine in the clear")
            return url

        @field_validator("headers")
        @classmethod
        def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
            for name, value in headers.items():
                if name.lower() in _OURS or not name or not all("!" <= c <= "~" and c != ":" for c in name):
                    raise ValueError("can't have this name, or it is one that this handler sets itself")
                if not all(" " <= c <= "~" for c in value):
                    raise ValueError("must be plain ASCII text in one line")
            return headers

        @field_validator("bearer_token")
        @classmethod
        def _is_plain(cls, token: SecretStr | None) -> SecretStr | None:
            if token is not None and not (
                token.get_secret_value() and all("!" <= c <= "~" for c in token.get_secret_value())
            ):
                raise ValueError("must be plain ASCII text without spaces")
            return token

        @field_validator("signing_secret")
        @classmethod
        def _is_long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
            if secret is not None and min(map(len, _keys_in(secret)), default=0) < _LEAST_SECRET:
                raise ValueError("is too short: use 24 bytes or more, such as the output of openssl rand -base64 32")
            return secret

        @model_validator(mode="after")
        def _has_a_certificate(self) -> "Webhook.Settings":
            if (self.client_key_file or self.client_key_password) and self.client_certificate_file is None:
                raise ValueError("a client key without client_certificate_file: name the certificate as well")
            return self

    def __init__(self, settings: Settings, *, proxy: Proxy | None = None) -> None:
        """Load the certificates and start the thread for the requests. Raises OSError, ssl.SSLError.

        proxy: the way to the far end; None: as the environment says.
        """
        import httpx

        self._settings = settings
        self._keys = _keys_in(settings.signing_secret)
        self._timeout = settings.timeout.total_seconds()
        # An event loop in a thread of its own makes a time limit for the whole request possible. A time limit between
        # bytes isn't enough: a far end that sends a byte now and then would never exceed it.
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            verify=_trust(settings),
            timeout=httpx.Timeout(self._timeout, connect=settings.connect_timeout.total_seconds(), pool=None),
            limits=httpx.Limits(max_connections=settings.connections),
            headers=self._fixed_headers(),
            follow_redirects=False,
            # plain HTTP is for this machine only: a proxy must not see it
            trust_env=proxy is None and urlsplit(settings.url).scheme == "https",
            transport=_transport(settings, proxy),
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhook", daemon=True)
        self._thread.start()

    def __call__(self, message: Message) -> None:
        """Post the message. When this returns, the far end has accepted it.

        Raises:
            Retry: the far end can't be reached, is busy, or fails. Reject: it refuses this message for good.
            WebhookRefused, CertificateRefused: the far end isn't set up for this. Another try may succeed.
            MessageError: the message can't be parsed (only if its parts are wanted).
        """
        content_type, body = self._body(message)
        key = message.delivery_key
        headers = {"Content-Type": content_type, "Idempotency-Key": key, **self._signature(key, body)}
        status, retry_after = self._post(body, headers)
        self._judge(status, retry_after)

    def close(self) -> None:
        """Close the connections."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(10)
        with contextlib.suppress(TimeoutError):  # a thread that still connects ends by itself
            asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # -- the request

    def _fixed_headers(self) -> dict[str, str]:
        headers = {"User-Agent": "nhsmail-worker", "Accept": "application/json", **self._settings.headers}
        if self._settings.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self._settings.bearer_token.get_secret_value()}"
        return headers

    def _body(self, message: Message) -> tuple[str, bytes]:
        wanted = self._settings.content
        description = describe(message, attachments=self._settings.parse or wanted == "attachments")
        if wanted == "attachments":
            description |= {"text": message.text, "html": message.html}
        if self._settings.format == "json":
            return "application/json", as_json(_with_files(description, message, wanted))
        return _form(description, message, wanted)

    def _signature(self, key: str, body: bytes) -> dict[str, str]:
        if not self._keys:
            return {}
        timestamp = str(int(time.time()))
        signed = b".".join((key.encode(), timestamp.encode(), body))
        signatures = (base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in self._keys)
        return {
            "webhook-id": key,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }

    # -- the answer

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
        import httpx

        try:
            return asyncio.run_coroutine_threadsafe(self._exchange(body, headers), self._loop).result()
        except TimeoutError:
            trouble: Exception = Retry("the far end took too long")
        except (httpx.TransportError, OSError) as error:  # httpx doesn't wrap a TLS alert after the handshake
            trouble = _trouble(error)
        raise trouble  # here, so that the original error, which may quote the answer, isn't its context

    async def _exchange(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
        async with asyncio.timeout(self._timeout):
            request = self._client.build_request("POST", self._settings.url, content=body, headers=dict(headers))
            answer = await self._client.send(request, stream=True)
            try:
                # Only the status matters. A short body is read so that the connection can be reused.
                await _drain(answer)
            finally:
                await answer.aclose()
            return answer.status_code, answer.headers.get("Retry-After")

    def _judge(self, status: int, retry_after: str | None) -> None:
        if 200 <= status < 300:
            return
        if status in self._settings.reject:
            raise Reject(f"the far end answered {status}")
        if status in _LATER or status >= 500:
            raise Retry(f"the far end answered {status}", after=_wait(retry_after))
        raise WebhookRefused(f"the far end answered {status}: check the address and the credentials")


async def _drain(answer: "httpx.Response") -> None:
    import httpx

    left = _LONGEST_REST
    with contextlib.suppress(httpx.TransportError, OSError):  # the status has arrived already
        async with asyncio.timeout(_SHORT):
            async for chunk in answer.aiter_raw():
                left -= len(chunk)
                if left < 0:
                    return


def _keys_in(secret: SecretStr | None) -> tuple[bytes, ...]:
    return tuple(_key(text) for text in (secret.get_secret_value() if secret else "").split())


def _key(text: str) -> bytes:
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("has something else than base64 after whsec_") from None


def _trust(settings: Webhook.Settings) -> ssl.SSLContext:
    context = verified_context(settings.ca_file)
    if settings.client_certificate_file is not None:
        password = settings.client_key_password
        context.load_cert_chain(
            settings.client_certificate_file,
            settings.client_key_file,
            password.get_secret_value() if password else "",  # so that OpenSSL doesn't prompt for one
        )
    return context


def _transport(settings: Webhook.Settings, proxy: Proxy | None) -> "httpx.AsyncBaseTransport | None":
    """The way through the proxy of the settings; None: httpx's own, which the environment leads."""
    if proxy is None or urlsplit(settings.url).scheme != "https":
        return None
    from worker.connections.http_transport import AsyncProxiedTransport

    return AsyncProxiedTransport(proxy, _trust(settings), settings.connections)


def _with_files(description: dict[str, Any], message: Message, wanted: str) -> dict[str, Any]:
    if wanted == "raw":
        return description | {"raw": base64.b64encode(message.raw).decode()}
    if wanted == "attachments":
        files = [
            told | {"content": base64.b64encode(attachment.read()).decode()}
            for told, attachment in zip(description["attachments"], message.attachments, strict=True)
        ]
        return description | {"attachments": files}
    return description


def _form(description: dict[str, Any], message: Message, wanted: str) -> tuple[str, bytes]:
    """The content type and the form. The boundary depends on the message only, so every delivery is identical."""
    parts = [_part("message", "application/json", as_json(description))]
    if wanted == "raw":
        parts.append(_part("raw", "message/rfc822", message.raw, "message.eml"))
    if wanted == "attachments":
        parts += [
            _part("attachment", "application/octet-stream", attachment.read(), attachment.safe_filename)
            for attachment in message.attachments
        ]
    boundary = _boundary(message, parts)
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return f"multipart/form-data; boundary={boundary.decode()}", body


def _part(name: str, content_type: str, content: bytes, filename: str | None = None) -> bytes:
    # as browsers do (HTML, "multipart/form-data encoding algorithm"): UTF-8, with three characters escaped
    safe = (filename or "").replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    shown = "" if filename is None else f'; filename="{safe}"'
    head = f'Content-Disposition: form-data; name="{name}"{shown}\r\nContent-Type: {content_type}\r\n\r\n'
    return head.encode() + content


def _boundary(message: Message, parts: list[bytes]) -> bytes:
    salt = 0
    while True:
        boundary = hashlib.sha256(f"{message.delivery_key} {message.sha256} {salt}".encode()).hexdigest()[:40].encode()
        if not any(boundary in part for part in parts):
            return boundary
        salt += 1


def _trouble(error: "httpx.TransportError | OSError") -> Exception:
    """What a failed request means for the message. Looks for the original error below what httpx raised."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRefused(f"the far end's certificate isn't trusted: {cause.verify_message}")
        if isinstance(cause, ProxyTrouble):
            return Retry(str(cause))
        cause = cause.__cause__ or cause.__context__
    return Retry(f"the far end can't be reached: {type(error).__name__}")


def _wait(retry_after: str | None) -> timedelta | None:
    """The wait that `Retry-After` asks for (RFC 9110, 10.2.3), in seconds or as a date. None if it is invalid."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), _LONGEST_WAIT.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment - datetime.now(UTC), timedelta(0)), _LONGEST_WAIT)
