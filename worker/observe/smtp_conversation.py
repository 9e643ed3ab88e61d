"""One conversation with an SMTP server, by which an alert goes out as mail; whatever fails becomes `NotSent`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from smtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)
from socket import socket
from typing import Any, Final

from worker.connections import Dialer, Direct, verified_context
from worker.logs.log import get_logger
from worker.logs.printable import printable
from worker.observe.delivery import NotSent, lost
from worker.observe.news import News
from worker.observe.send_failure import Why
from worker.observe.smtp_answers import Step, why_refused

log = get_logger()

TIMEOUT: Final = 10.0
LONGEST_WORDS: Final = 300
"""Characters of an answer that a person is shown."""
_NO_EHLO: Final = frozenset({500, 502})
"""How a server answers EHLO that knows HELO alone (RFC 5321, 4.1.4)."""


class NotEncrypted(NotSent):
    """The server offers no TLS, and clear text isn't accepted. Nothing was sent."""

    def __init__(self, said: str = "") -> None:
        super().__init__(None, Why.NO_STARTTLS, said)


class SmtpClient(SMTP):
    """An SMTP client whose connection a dialer makes. accepted: the server's words about the mail that it took last."""

    def __init__(self, host: str, port: int, *, dialer: Dialer | None = None) -> None:
        self.accepted = ""
        self._dialer = dialer or Direct()
        super().__init__(host, port, timeout=TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket:
        return self._dialer.connect(host, port, timeout)

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the mail's text, and keep the answer."""
        code, said = super().data(msg)
        self.accepted = words(code, said)
        return code, said


Connect = Callable[[str, int], SmtpClient]
"""Opens a conversation with a host at a port."""


@contextmanager
def conversation(
    connect: Connect, host: str, port: int, *, ca_file: Path | None, clear_is_allowed: bool = False
) -> Iterator[SmtpClient]:
    """A connection on which an alert may be sent, after STARTTLS. In the block, too, errors become `NotSent`.

    Raises:
        NotSent; NotEncrypted, which is one.
    """
    try:
        server = connect(host, port)
        try:
            _greet(server)
            if server.has_extn("starttls"):
                server.starttls(context=verified_context(ca_file))
                _greet(server)
            elif not clear_is_allowed:
                raise NotEncrypted
            yield server
        finally:
            _leave(server)
    except SMTPException as error:
        raise _not_sent(error) from None
    except (OSError, ValueError) as error:  # ValueError: the host's name is malformed, or an address can't be encoded
        raise lost(error) from None


def _greet(server: SmtpClient) -> None:
    """Say who we are. smtplib goes on after a refusal, and then the server seems to offer no STARTTLS.

    Raises:
        SMTPHeloError: the server turns us away.
    """
    code, said = server.ehlo()
    if code in _NO_EHLO:
        code, said = server.helo()
    if not 200 <= code < 300:
        raise SMTPHeloError(code, said)


def _leave(server: SmtpClient) -> None:
    """Say goodbye. What comes of that doesn't matter: a mail that was taken is sent, whatever QUIT is answered."""
    with suppress(SMTPException, OSError):
        server.quit()
    server.close()


def send_to_all(server: SmtpClient, mail: EmailMessage, sender: str, to: Sequence[str], *, channel: str) -> str:
    """Send a mail to everybody on the list, and return the server's words.

    If the server accepts it for some of them and refuses the others, it counts as sent: sending it again would reach
    the same people again and again. The log says how many were refused.
    """
    refused = server.send_message(mail, sender, to)
    if refused:
        log.warning("alert.partly_refused", sender=channel, count=len(refused), status=_first(refused)[0])
    return server.accepted


def mail_of(news: News, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """It as a mail of our own."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = f"nhsmail-worker: {news.title}"
    mail["Date"] = format_datetime(news.at)
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: asks for no out-of-office replies
    lines = (news.text, news.do, f"Mailbox: {news.account}")
    mail.set_content("\n\n".join(line for line in lines if line) + "\n")
    return mail


def words(code: int, said: bytes | str) -> str:
    """A server's answer for a person: on one line, safe to print, and not too long."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return printable(f"{code} {' '.join(text.split())}"[:LONGEST_WORDS])


def _not_sent(error: SMTPException) -> NotSent:
    match error:
        case SMTPRecipientsRefused():
            code, said = _first(error.recipients)
            return _refused(Step.RECIPIENT, code, said)
        case SMTPSenderRefused():
            return _refused(Step.SENDER, error.smtp_code, error.smtp_error)
        case SMTPDataError():
            return _refused(Step.DATA, error.smtp_code, error.smtp_error)
        case SMTPAuthenticationError():
            return _refused(Step.AUTH, error.smtp_code, error.smtp_error)
        case SMTPResponseException():  # the greeting, EHLO, or STARTTLS
            return _refused(Step.GREETING, error.smtp_code, error.smtp_error)
        case SMTPNotSupportedError():
            return NotSent(None, Why.OTHER, printable(str(error)[:LONGEST_WORDS]))
    return lost(error)


def _refused(step: Step, code: int, said: bytes | str) -> NotSent:
    shown = words(code, said)
    return NotSent(code, why_refused(step, code, shown), shown)


def _first(refused: Mapping[str, tuple[int, bytes]]) -> tuple[int, bytes]:
    return next(iter(refused.values()))
