"""Content and secrets stay where they are: the worker is driven with marked mail, and every output is searched."""

import base64
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.ports import free_port
from tests.rig.proxy import Cut, Proxy
from tests.rig.watch import Window, receiver
from tests.rig.worker import COMMAND, Worker, eventually

MakeWorker = Callable[..., Worker]

DEEDS = ("nothing", "error", "group", "cause", "reject", "retry", "log", "say", "thread", "class", "die")
SPAM = (
    ("X-Forefront-Antispam-Report", "CIP:192.0.2.1;CTRY:;LANG:en;SCL:9;H:{}.example;PTR:{};CAT:SPM;SFV:SPM;"),
    ("X-Spam-Status", "Yes, score=9.9 required=5.0 tests={} autolearn=no"),
)


@dataclass
class Marks:
    """Words that are nowhere else in the world, each in one place."""

    places: dict[str, str] = field(default_factory=dict)

    def mark(self, place: str) -> str:
        word = "Qx" + secrets.token_hex(6) + "Zj"
        self.places[word] = place
        return word

    def found_in(self, data: bytes) -> list[str]:
        """The places whose marks are in there, as they are or in one of the forms that mail and logins give them."""
        lower = data.lower()
        return [
            place
            for word, place in self.places.items()
            if any(form.lower() in lower for form in _plain(word)) or any(form in data for form in _encoded(word))
        ]


def _plain(word: str) -> Iterator[bytes]:
    yield word.encode()
    yield word.encode().hex().encode()
    yield word.encode("utf-16-le")


def _encoded(word: str) -> Iterator[bytes]:
    """The base64 forms, wherever in a text the word begins; of SASL's too, as a login is base64 around the words."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + word.encode())
        yield text[4 if shift else 0 : len(text) - 4]


def letter(marks: Marks, name: str, deed: str, *, junk: bool = False) -> bytes:
    """A letter with a mark in every place that a letter has."""

    def mark(place: str) -> str:
        return marks.mark(f"{name}: {place}")

    message = EmailMessage(policy=SMTP)
    message["Received"] = f"from {mark('Received')}.example by mx.example.nhs.uk; Mon, 5 Jan 2026 10:00:00 +0000"
    message["Return-Path"] = f"<{mark('Return-Path')}@lab.example.org>"
    for header, value in SPAM if junk else ():
        message[header] = value.format(mark(header), mark(header))
    message["From"] = f'"{mark("From, name")}" <{mark("From")}@{mark("From, host")}.example.org>'
    message["Sender"] = f"<{mark('Sender')}@lab.example.org>"
    message["Reply-To"] = f"<{mark('Reply-To')}@lab.example.org>"
    message["To"] = f'"{mark("To, name")}" <{mark("To")}@nhs.net>'
    message["Cc"] = f"<{mark('Cc')}@nhs.net>"
    message["Subject"] = f"Result for {mark('Subject')} – naïve"
    message["Date"] = "Mon, 5 Jan 2026 10:00:00 +0000"
    message["Message-ID"] = f"<{mark('Message-ID')}@lab.example.org>"
    message["In-Reply-To"] = f"<{mark('In-Reply-To')}@lab.example.org>"
    message["References"] = f"<{mark('References')}@lab.example.org>"
    message["List-Id"] = f"<{mark('List-Id')}.example.org>"
    message["Keywords"] = mark("Keywords")
    message["Authentication-Results"] = f"mx.example; spf=fail smtp.mailfrom={mark('Authentication-Results')}.example"
    message[f"X-{mark('the name of a header')}"] = mark("X-…")
    message["X-Do"] = deed
    message.set_content(f"The patient {mark('the text')} has improved.\n")
    message.add_alternative(f"<p title='{mark('HTML, an attribute')}'>{mark('HTML')}</p>", subtype="html")
    message.add_attachment(
        mark("an attachment").encode() * 3, "application", "pdf", filename=f"{mark('a file name')}.pdf"
    )
    inner = EmailMessage(policy=SMTP)
    inner["Subject"] = mark("the subject of an attached message")
    inner.set_content(mark("the text of an attached message"))
    message.add_attachment(inner)
    return message.as_bytes()


def broken(marks: Marks) -> bytes:
    """A letter that can't be read: more parts within parts than the limit allows, each with a mark."""
    raw = f"Content-Type: text/plain; name={marks.mark('broken: name')}\r\n\r\n{marks.mark('broken: text')}\r\n"
    for number in range(60):
        edge = f"{marks.mark('broken: boundary')}{number}"
        raw = f'Content-Type: multipart/mixed; boundary="{edge}"\r\n\r\n--{edge}\r\n{raw}\r\n--{edge}--\r\n'
    return f"Subject: {marks.mark('broken: Subject')}\r\nX-Do: nothing\r\n{raw}".encode()


def states(worker: Worker) -> list[bytes]:
    """Every file of the state folder, and its name: the journal with what SQLite keeps beside it, the audit trail."""
    files = [path for path in worker.state.rglob("*") if path.is_file()]
    return [data for path in files for data in (path.read_bytes(), str(path).encode())]


def test_no_content_and_no_secret_leaves_the_worker(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, tmp_path: Path
) -> None:
    marks = Marks()
    wrong, right = f"Wrong-{marks.mark('the wrong password')}", f"Right-{marks.mark('the password')}"
    dovecot.set_password(right)
    mail = [letter(marks, deed, deed) for deed in DEEDS]
    junk = [letter(marks, "junk", "error", junk=True), letter(marks, "quiet junk", "nothing", junk=True)]
    dovecot.append_many("INBOX", [*mail, *junk, broken(marks)])
    dovecot.append_many(JUNK, [letter(marks, "in the junk folder", "nothing")])
    worker = make_worker(
        proxy,
        routes=[{"name": "all", "handlers": ["archive", "careless"], "tries": 2, "waits": ["0.2s"]}],
        settings={
            "handler.careless": {"use": "tests.rig.careless:Careless", "died": str(tmp_path / "died")},
            "junk": {"handlers": ["careless"], "tries": 2, "waits": ["0.2s"]},
            "lockout": {"waits": ["0.5s"]},
            "poll": {"every": "0.5s", "reconnect": ["0.2s"]},
            "log": {"level": "debug", "format": "json"},
            "audit": {"mirror": "stdout"},
            "alerts": {"every": "0.2s"},
        },
    )
    password = worker.folder / "password"
    password.write_text(wrong)
    seen: list[bytes] = []

    with receiver() as received, ExitStack() as processes:
        window = Window(free_port())
        worker.configure(health={"listen": f"127.0.0.1:{window.port}"})

        def look() -> None:
            for path in ("/", "/metrics", "/livez", "/readyz", "/nowhere"):
                answer = window.ask(path)
                seen.append(answer.content + str(answer.headers).encode())

        def start(log_format: str) -> "subprocess.Popen[bytes]":
            worker.configure(log={"format": log_format})
            with (tmp_path / "output").open("ab") as output:
                process = subprocess.Popen(
                    [COMMAND, "run", "--config", str(worker.config)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=worker.environment(NHSMAIL_ALERTS__JSON_WEBHOOK=received.url),
                    cwd=worker.folder,
                )
            processes.callback(process.kill)
            eventually(lambda: window.code("/livez") == 200)
            return process

        # a password is rejected; the right one takes its place; the process dies with content in hand
        first = start("json")
        eventually(lambda: window.metric("nhsmail_login_failures") >= 1)
        look()
        proxy.on(r"UID FETCH .*BODY", Cut(), when="literal", times=1)
        password.write_text(right)
        assert first.wait(60) == -signal.SIGKILL
        seen += states(worker)

        # everything is tried to its end, on a log for people this time
        second = start("text")
        eventually(lambda: window.metric('nhsmail_messages{state="pending"}') == 0, 90)
        eventually(lambda: len(received.alerts()) >= 1)
        look()
        seen += states(worker)
        second.terminate()
        assert second.wait(30) == 0
        seen += received.posted

    ends = {row[0] for row in worker.rows("select state from message")}
    assert ends == {"handled", "junk", "failed"}
    archived = b"".join(path.read_bytes() for path in worker.archive.rglob("*") if path.is_file())
    assert "die: Subject" in marks.found_in(archived), "the search finds what is there"
    assert "nothing: an attachment" in marks.found_in(archived)

    output = (tmp_path / "output").read_bytes()
    assert worker.rows("select count(*) from message where reason = 'careless:Reject'") == [(2,)]  # `reject` and `say`
    for word in (
        b"handler.said",
        b"careless.said",
        b"handler.log_refused",
        b'"event":"handler.failed"',
        b"library.error",
        b'"kind":"message.disposed"',
        b"connection.lost",
    ):
        assert word in output
    seen += [output, *states(worker)]
    leaks = sorted({place for data in seen for place in marks.found_in(data)})
    assert leaks == []
