"""An SMTP server on loopback: aiosmtpd with STARTTLS and an XOAUTH2 of its own; it refuses any step as told."""

import asyncio
import base64
import ssl
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.rig.tls import ADDRESS, HOST

DROP = "drop"
"""In place of an answer: end the connection."""
SLOW = "slow"
"""In place of an answer: give none until the server stops."""
LONG_LINES = 12_288  # RFC 4954: for the initial response of AUTH


@dataclass(frozen=True)
class Taken:
    """A mail that the server took. as_user: who was signed in; empty for nobody."""

    sender: str
    to: tuple[str, ...]
    mail: EmailMessage
    as_user: str


class SmtpServer:
    """Takes mail from everybody or, with `tokens`, from those who sign in with one of them.

    answers: by step (`GREETING`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `QUIT`) what is said in place of the usual, or `DROP`,
    or `SLOW`. It may be changed at any time. challenges: refuse a token in two steps, as XOAUTH2's own rules have it.
    """

    host = HOST

    def __init__(
        self,
        context: ssl.SSLContext | None,
        *,
        tokens: tuple[str, ...] = (),
        user: str = "",
        answers: dict[str, str] | None = None,
        challenges: bool = False,
        offers: bool = True,
    ) -> None:
        self.tokens = tokens
        self.user = user
        self.answers = answers if answers is not None else {}
        self.challenges = challenges
        self.taken: list[Taken] = []
        self.signed_in: list[str] = []
        """What was sent with AUTH, decoded."""
        self.connections = 0
        self._context = context
        self._offers = offers and bool(tokens)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._protocols: list[_Protocol] = []
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(self._protocol, ADDRESS, 0)

    async def _stop(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for one in self._protocols:
            one.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _protocol(self) -> SMTP:
        self.connections += 1
        handler = _WithSignIn(self) if self._offers else _Handler(self)
        found = _Protocol(
            handler,
            hostname="smtp.example",
            loop=self._loop,
            tls_context=self._context,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
        )
        found.greeting = self.answers.get("GREETING", "")
        found.command_size_limits["AUTH"] = LONG_LINES
        self._protocols.append(found)
        return found


class _Protocol(SMTP):
    greeting = ""
    line_length_limit = LONG_LINES

    def abort(self) -> None:
        """End the connection at once."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    def close(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.close()

    async def _handle_client(self) -> None:
        if not self.greeting:
            await super()._handle_client()
            return
        if self.greeting == SLOW:
            await asyncio.sleep(3600)
        if self.greeting == DROP:
            self.abort()
            return
        await self.push(self.greeting)
        self.close()


class _Handler:
    def __init__(self, rig: SmtpServer) -> None:
        self.rig = rig

    async def _instead(self, server: SMTP, step: str) -> str | None:
        said = self.rig.answers.get(step)
        if said == SLOW:
            await asyncio.sleep(3600)
        if said == DROP:
            assert isinstance(server, _Protocol)
            server.abort()
            await asyncio.sleep(3600)
        return said

    async def handle_EHLO(  # noqa: N802 -- aiosmtpd's own names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, offered: list[str]
    ) -> list[str]:
        session.host_name = hostname
        said = self.rig.answers.get("EHLO after TLS" if session.ssl else "EHLO")
        return offered if said is None else [said]

    async def handle_MAIL(  # noqa: N802 -- as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (said := await self._instead(server, "MAIL")) is not None:
            return said
        if self.rig.tokens and not session.authenticated:
            return "530 5.7.57 Client not authenticated to send mail. [LO4P265CA0001.GBRP265.PROD.OUTLOOK.COM]"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender OK"

    async def handle_RCPT(  # noqa: N802 -- as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (said := await self._instead(server, "RCPT")) is not None:
            return said
        if (said := await self._instead(server, f"RCPT {address}")) is not None:
            return said
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- as above
        if (said := await self._instead(server, "DATA")) is not None:
            return said
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        user = str(session.auth_data) if session.authenticated else ""
        self.rig.taken.append(Taken(str(envelope.mail_from), tuple(envelope.rcpt_tos), mail, user))
        if (said := await self._instead(server, "TAKEN")) is not None:
            return said
        return f"250 2.0.0 OK <{len(self.rig.taken)}@smtp.example> [Hostname=SMTP.example] Queued mail for delivery"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- as above
        return await self._instead(server, "QUIT") or "221 2.0.0 Service closing transmission channel"


class _WithSignIn(_Handler):
    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802 -- as above
        given = base64.b64decode(args[1]).decode()
        self.rig.signed_in.append(given)
        if (said := await self._instead(server, "AUTH")) is not None:
            return await self._refused(server, said)
        user, bearer, *_ = given.split("\x01")
        token = bearer.removeprefix("auth=Bearer ")
        if user == f"user={self.rig.user}" and token in self.rig.tokens:
            return AuthResult(success=True, auth_data=self.rig.user)
        return await self._refused(
            server, "535 5.7.3 Authentication unsuccessful [LO4P265CA0001.GBRP265.PROD.OUTLOOK.COM]"
        )

    async def _refused(self, server: SMTP, said: str) -> AuthResult:
        if self.rig.challenges:
            answer: Any = await server.challenge_auth(b'{"status":"401","schemes":"bearer"}')
            assert answer == b""
        await server.push(said)
        return AuthResult(success=False, handled=True)
