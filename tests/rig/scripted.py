"""An IMAP server that follows a script, for the odd answers that a real server wouldn't give on request.

    session = [
        *greeting(),
        expect(r"\\w+ LOGIN .*"),
        send("{tag} NO LOGIN failed."),
        close(),
    ]
    with ScriptedServer(authority, session) as server:
        ...

Each connection gets a script, in order. At the end of the `with` block, one AssertionError reports everything that went
wrong: lines that the script didn't expect, steps that were never reached, and connections without a script.
"""

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from tests.rig.tls import ADDRESS, HOST, Authority

_COMMAND = re.compile(r"(\S+) [A-Za-z]+")
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r?\n$")


@dataclass(frozen=True)
class Expect:
    """The next command must match, as a whole line with its tag. Literals stand in the line as plain bytes."""

    pattern: str


@dataclass(frozen=True)
class Send:
    """Send a line, in which `{tag}` stands for the last command's tag and `{tag-1}` for the one before, or exact bytes.

    upto: how many of its bytes are sent; None: all.
    """

    line: str | bytes
    upto: int | None = None


@dataclass(frozen=True)
class Serve:
    """Answer each command by the first pattern that matches, until a command matches `until`.

    The next step sees that command. Without `until`, this goes on for as long as the client stays.
    """

    answers: Mapping[str, Sequence[str]]
    until: str | None = None


@dataclass(frozen=True)
class Close:
    """End the connection: with an end of file, a TCP reset, or TLS's own goodbye (close_notify)."""

    reset: bool = False
    notify: bool = False


@dataclass(frozen=True)
class Hang:
    """Stay connected but say nothing until the client leaves or the event is set. Ignore what the client says."""

    until: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Call:
    """Run the test's own code at this point."""

    function: Callable[[], object]


@dataclass(frozen=True)
class NoHandshake:
    """The only step of a session in which the client should refuse the certificate."""


Step = Expect | Send | Serve | Close | Hang | Call | NoHandshake


def expect(pattern: str) -> Expect:
    return Expect(pattern)


def send(line: str | bytes, upto: int | None = None) -> Send:
    return Send(line, upto)


def answer(pattern: str, *lines: str) -> list[Step]:
    """Expect a command, then send lines. In a script: `*answer(r"\\w+ NOOP", "{tag} OK done")`."""
    return [Expect(pattern), *(Send(line) for line in lines)]


def greeting(capabilities: str = "IMAP4rev1", text: str = "ready") -> list[Step]:
    """Send the greeting, and answer the CAPABILITY command that imaplib always sends first."""
    return [Send(f"* OK {text}"), *answer(r"\w+ CAPABILITY", f"* CAPABILITY {capabilities}", "{tag} OK done")]


def serve(answers: Mapping[str, Sequence[str]], until: str | None = None) -> Serve:
    return Serve(answers, until)


def close(*, reset: bool = False, notify: bool = False) -> Close:
    return Close(reset, notify)


def hang(until: threading.Event | None = None) -> Hang:
    return Hang(until or threading.Event())


def no_handshake() -> NoHandshake:
    return NoHandshake()


def call(function: Callable[[], object]) -> Call:
    return Call(function)


class _FaultError(Exception):
    """The client did something that the script doesn't allow."""


class _GoneError(Exception):
    """The client ended the connection."""


class ScriptedServer:
    """Listens on loopback, with TLS by its own certificate or by the context `tls`.

    With `tls=None` the server speaks plain text from the first byte, so that the script gets a client's handshake.
    patience: how many seconds a step waits for the client. `commands` holds every line that came, unchanged.
    """

    host = HOST

    def __init__(
        self,
        authority: Authority,
        *sessions: Sequence[Step],
        tls: ssl.SSLContext | Literal["own"] | None = "own",
        patience: float = 10.0,
    ) -> None:
        self.ca_file = authority.ca_file
        self.commands: list[str] = []
        self.faults: list[str] = []
        self._tls = authority.server_context() if tls == "own" else tls
        self.patience = patience
        self._sessions = list(sessions)
        self._taken = 0
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((ADDRESS, 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        faults = self.finish()
        if not faults:
            return
        text = "The scripted server:\n" + "\n".join(f"- {fault}" for fault in faults)
        if error is None:
            raise AssertionError(text)
        error.add_note(text)

    @property
    def connections(self) -> int:
        return self._taken

    def finish(self) -> list[str]:
        """Stop. Returns everything that went against the script."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join(self.patience + 5)
        for number, session in enumerate(self._sessions[self._taken :], self._taken + 1):
            self.faults.append(f"connection {number} never came; its script has {len(session)} steps")
        return self.faults

    # -- inside

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="rig-scripted", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            if self.stopping.is_set():
                plain.close()
                return
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a second line waits 40 ms otherwise
            self._taken += 1
            if self._taken > len(self._sessions):
                self.faults.append(f"connection {self._taken} was one too many")
                plain.close()
                continue
            session = _Session(self, self._taken, plain, self._sessions[self._taken - 1])
            self._start(session.run)

    def secured(self, plain: socket.socket) -> socket.socket:
        plain.settimeout(self.patience)
        return plain if self._tls is None else self._tls.wrap_socket(plain, server_side=True)


class _Session:
    """One connection and its script."""

    def __init__(self, server: ScriptedServer, number: int, plain: socket.socket, steps: Sequence[Step]) -> None:
        self._server = server
        self._number = number
        self._plain: socket.socket = plain
        self._steps = list(steps)
        self._buffer = b""
        self._tags = ["*"]
        self._pushed_back: str | None = None
        self._logged_out = False

    def run(self) -> None:
        done = 0
        try:
            self._socket = self._server.secured(self._plain)
        except OSError as error:
            if not self._refused_rightly():
                self._fault(f"no TLS connection came about ({error})")
            self._plain.close()
            return
        try:
            for step in self._steps:
                self._do(step)
                done += 1
            self._see_off()
        except _FaultError as fault:
            self._fault(f"step {done + 1}: {fault}")
        except (_GoneError, OSError) as error:
            if done < len(self._steps) and not self._may_leave(self._steps[done:]):
                left = "; ".join(map(str, self._steps[done:]))
                self._fault(f"over ({str(error) or 'the client went'}) with steps left: {left}")
        except Exception as error:  # noqa: BLE001 - errors of a test's own code are reported with the rest
            self._fault(f"step {done + 1}: {type(error).__name__}: {error}")
        finally:
            if self._socket.fileno() != -1:
                self._close(reset=False)

    def _may_leave(self, left: Sequence[Step]) -> bool:
        """A client that has sent LOGOUT needn't wait for the answer."""
        return self._logged_out and all(isinstance(step, Send | Close) for step in left)

    def _refused_rightly(self) -> bool:
        return any(isinstance(step, NoHandshake) for step in self._steps)

    def _fault(self, text: str) -> None:
        self._server.faults.append(f"connection {self._number}: {text}")

    def _do(self, step: Step) -> None:
        match step:
            case Expect(pattern):
                line = self._command()
                if not re.fullmatch(pattern, line, re.IGNORECASE | re.DOTALL):
                    raise _FaultError(f"expected {pattern!r}, got {line!r}")
            case Send(line, upto):
                self._send(line, upto)
            case Serve(answers, until):
                self._serve(answers, until)
            case Close(reset, notify):
                self._close(reset=reset, notify=notify)
            case Hang(until):
                self._hang(until)
            case Call(function):
                function()
            case NoHandshake():
                raise _FaultError("the client accepted a TLS connection that it should have refused")

    def _send(self, line: str | bytes, upto: int | None = None) -> None:
        if isinstance(line, str):
            for back, tag in enumerate(reversed(self._tags[-9:])):
                line = line.replace(f"{{tag-{back}}}" if back else "{tag}", tag)
            line = line.encode() + b"\r\n"
        self._socket.settimeout(self._server.patience)
        self._socket.sendall(line[:upto])

    def _serve(self, answers: Mapping[str, Sequence[str]], until: str | None) -> None:
        while True:
            try:
                line = self._command()
            except _GoneError:
                if until is None:
                    return
                raise
            if until is not None and re.fullmatch(until, line, re.IGNORECASE | re.DOTALL):
                self._pushed_back = line
                return
            found = next((pattern for pattern in answers if re.fullmatch(pattern, line, re.IGNORECASE)), None)
            if found is None:
                raise _FaultError(f"no answer for {line!r}")
            for text in answers[found]:
                self._send(text)

    def _close(self, *, reset: bool, notify: bool = False) -> None:
        if notify and isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(1)
            with contextlib.suppress(OSError, ValueError):
                self._socket = self._socket.unwrap()
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self._end_cleanly()
        self._socket.close()

    def _end_cleanly(self) -> None:
        """Send an end of file and read what still comes, because closing with unread bytes would send a reset."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(1)
            while self._socket.recv(65_536):
                pass

    def _hang(self, until: threading.Event) -> None:
        self._socket.settimeout(0.05)
        while not (until.is_set() or self._server.stopping.is_set()):
            try:
                if not self._socket.recv(65_536):
                    return
            except TimeoutError:
                continue
            except OSError:  # the client left without a LOGOUT
                return

    def _see_off(self) -> None:
        """After the last step, allow only a LOGOUT, or silence until the test ends."""
        if self._socket.fileno() == -1 or isinstance(self._steps[-1], Hang):
            return
        with contextlib.suppress(_GoneError):
            line = self._command()
            if not re.fullmatch(r"\S+ LOGOUT", line, re.IGNORECASE):
                raise _FaultError(f"the script was over, and then came {line!r}")
            self._send("* BYE")
            self._send("{tag} OK done")

    def _command(self) -> str:
        """Read the next command with its literals, sending the continuation that each of them needs."""
        if self._pushed_back is not None:
            line, self._pushed_back = self._pushed_back, None
            return line
        whole = self._read_line()
        while literal := _LITERAL.search(whole):
            if not literal[2]:
                self._socket.sendall(b"+ go on\r\n")
            whole = whole[: literal.start()] + self._read(int(literal[1])) + self._read_line()
        text = whole.decode("utf-8", "replace").rstrip("\r\n")
        self._server.commands.append(text)
        if start := _COMMAND.match(text):
            self._tags.append(start[1])
            self._logged_out = text.upper().endswith(" LOGOUT")
        return text

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _fill(self) -> None:
        self._socket.settimeout(0.1)
        deadline = time.monotonic() + self._server.patience
        while True:
            try:
                data = self._socket.recv(65_536)
            except TimeoutError:
                if self._server.stopping.is_set():
                    raise _GoneError("the test is over") from None
                if time.monotonic() > deadline:
                    raise _FaultError(f"the client said nothing for {self._server.patience:g} seconds") from None
            else:
                break
        if not data:
            raise _GoneError
        self._buffer += data
