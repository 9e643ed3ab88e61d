"""A proxy between a client and an IMAP server, with TLS on both sides. It counts, records, and breaks things on demand.

    with Proxy(authority, target=(dovecot.host, dovecot.port)) as proxy:
        proxy.on(r"UID MOVE", Cut(), when="answered")     # the server has moved, but the client never learns of it
        proxy.on(r"UID FETCH", Delay(2), when="sent", times=3)
        proxy.cut_after(down=100_000)                     # in the middle of whatever passes then
        with proxy.measure() as used:
            ...
        assert used.round_trips == 1

Everything may be changed while connections are open. Patterns are searched for in a command's first line without its
tag, ignoring case. Credentials are never recorded.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, TypeVar

from tests.rig.ports import free_port
from tests.rig.tls import ADDRESS, HOST, Authority

When = Literal["before", "sent", "answered", "literal"]
T = TypeVar("T")

_COMMAND = re.compile(rb"(\S+) ([A-Za-z]+)(?: |\r?\n|$)")
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r?\n$")
_SECRET = re.compile(r"^(LOGIN|AUTHENTICATE \S+)\b.*", re.IGNORECASE | re.DOTALL)
_CAPABILITIES = re.compile(rb"(\* CAPABILITY |\[CAPABILITY )([^\]\r\n]*)")
_UID_CODES = re.compile(rb"\[(?:COPYUID|APPENDUID) [^\]]*\] ?")
_LIMIT = 64 * 1024 * 1024  # bytes of one line


@dataclass(frozen=True)
class Cut:
    """End the connection, with an end of file or a TCP reset."""

    reset: bool = False


@dataclass(frozen=True)
class Delay:
    """Wait before going on."""

    seconds: float


@dataclass(frozen=True)
class Inject:
    """Send lines to the client as if they came from the server. `{tag}` stands for the command's tag."""

    lines: tuple[str, ...]

    def __init__(self, *lines: str) -> None:
        object.__setattr__(self, "lines", lines)


@dataclass(frozen=True)
class Answer:
    """Answer with these lines in place of the server, which never gets the command. Only with `before`.

    `{tag}` stands for the command's tag.
    """

    lines: tuple[str, ...]

    def __init__(self, *lines: str) -> None:
        object.__setattr__(self, "lines", lines)


@dataclass(frozen=True)
class Rewrite:
    """Change the command's first line, given and returned without tag and line end. Only with `before`."""

    change: Callable[[str], str]


@dataclass(frozen=True)
class Call:
    """Run the test's own code at this point. The connection waits until it returns."""

    function: Callable[[], object]


@dataclass(frozen=True)
class Hold:
    """Pass nothing on in either direction until the event is set, like a line that died unnoticed."""

    until: threading.Event = field(default_factory=threading.Event)


Action = Cut | Delay | Inject | Answer | Rewrite | Call | Hold


@dataclass(eq=False)
class Rule:
    """What to do at which command. `hits` counts how often it applied; `hit` is set when it first does."""

    pattern: re.Pattern[str]
    actions: tuple[Action, ...]
    when: When
    skip: int
    times: int | None
    offset: int
    hits: int = 0
    hit: threading.Event = field(default_factory=threading.Event)
    removed: bool = False

    def remove(self) -> None:
        self.removed = True

    def matches(self, when: When, command: str) -> bool:
        if self.removed or self.when != when or self.times == 0 or not self.pattern.search(command):
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True

    def spend(self) -> None:
        self.hits += 1
        if self.times is not None:
            self.times -= 1
        self.hit.set()


@dataclass
class Traffic:
    """What passed. `round_trips` counts how often the client spoke after the server: what a slow line would cost."""

    bytes_up: int = 0
    bytes_down: int = 0
    round_trips: int = 0
    connections: int = 0
    commands: list[str] = field(default_factory=list)


Response = list[bytes]
"""One whole response of a server: its lines and literals in turn, beginning and ending with a line."""


@dataclass(frozen=True)
class Instead:
    """What a manner answers in the server's place, with complete lines. end: whether the connection then ends."""

    responses: tuple[Response, ...]
    end: bool = False


class Manner(Protocol):
    """Makes one connection look as if another kind of server answered."""

    def must_know_what_is_open(self) -> bool:
        """Whether a command that follows SELECT or EXAMINE is to be seen only after that was answered."""

    def command(self, tag: bytes, line: bytes) -> bytes | Instead:
        """The first line of a command, as it is to be passed on; or the answer to it, and the server never gets it."""

    def response(self, response: Response) -> Instead:
        """What the client gets in place of this response, which may be nothing."""


class Manners(Protocol):
    """A kind of server."""

    def conversation(self) -> Manner:
        """For a new connection."""


class _EndedError(Exception):
    """The connection has ended: it was cut, or either side closed it."""


class Proxy:
    """Listens on loopback with a certificate of `authority`. Relays to `target`, whose certificate it checks.

    manners: the kind of server that clients are to see. Rules and substitutions apply to what they say.
    """

    host = HOST

    def __init__(
        self,
        authority: Authority,
        target: tuple[str, int],
        *,
        names: tuple[str, ...] = (),
        presents: ssl.SSLContext | None = None,
        manners: Manners | None = None,
    ) -> None:
        """presents: with which certificate it answers clients; None: with one of `authority` for `names`."""
        self.ca_file = authority.ca_file
        self.target = target
        self.manners = manners
        self.traffic = Traffic()
        self.latency = 0.0  # seconds added to each round trip
        self.port = free_port()  # not one of the system's: it must be there again after `refuse`
        self.rules: tuple[Rule, ...] = ()
        self.answers: tuple[tuple[re.Pattern[bytes], bytes], ...] = ()
        self.faults: list[str] = []
        self.limits: dict[str, int] = {}
        self.withheld: frozenset[str] = frozenset()
        self.outward = authority.client_context()
        self._inward = presents or authority.server_context(*names)
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rig-proxy", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start to listen on `port`."""
        self._thread.start()
        self._run(self._listen())

    def close(self) -> None:
        """Stop. Raises AssertionError if the proxy, or code that a test passed to `Call`, has failed."""
        if not self._thread.is_alive():
            return
        self._run(self._shut())
        self._run(self._settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        assert not self.faults, "; ".join(self.faults)

    # -- what passed

    @property
    def commands(self) -> list[str]:
        """Every command line so far, `DONE` included, without tags, literals and credentials."""
        return list(self.traffic.commands)

    @property
    def open_connections(self) -> int:
        return len(self._links)

    @contextlib.contextmanager
    def measure(self) -> Iterator[Traffic]:
        """Count what passes within the `with` block. The figures are filled in at its end."""
        start, known = Traffic(**vars(self.traffic)), len(self.traffic.commands)
        used, now = Traffic(), self.traffic
        try:
            yield used
        finally:
            used.bytes_up = now.bytes_up - start.bytes_up
            used.bytes_down = now.bytes_down - start.bytes_down
            used.round_trips = now.round_trips - start.round_trips
            used.connections = now.connections - start.connections
            used.commands = now.commands[known:]

    # -- what to break

    def on(
        self,
        pattern: str,
        *actions: Action,
        when: When = "before",
        skip: int = 0,
        times: int | None = 1,
        offset: int = 0,
    ) -> Rule:
        """Run `actions` in order at each matching command, `times` times (None: always), after skipping `skip` of them.

        `before`: the command has come from the client and wasn't passed on. `sent`: it was passed on completely, and
        none of its answer was. `answered`: the server has completed it, and its tagged answer wasn't passed on.
        `literal`: `offset` bytes of a longer literal in its answer were passed on.
        """
        if when != "before" and any(isinstance(action, Answer | Rewrite) for action in actions):
            raise ValueError("Answer and Rewrite work with when='before' only.")
        rule = Rule(re.compile(pattern, re.IGNORECASE), actions, when, skip, times, offset)
        self.rules = (*self.rules, rule)
        return rule

    def rewrite_answers(self, pattern: bytes, replacement: bytes) -> None:
        """Substitute in every line from the server from now on, but not in literals, whose length must stay right."""
        self.answers = (*self.answers, (re.compile(pattern), replacement))

    def without(self, *capabilities: str) -> None:
        """Take capabilities such as MOVE, UIDPLUS or IDLE away: they aren't announced, and their commands get a BAD."""
        self.withheld |= {name.upper() for name in capabilities}

    def cut_after(self, *, up: int | None = None, down: int | None = None) -> None:
        """After so many more bytes, counted over all connections, cut the connection that passes the last of them."""
        if up is not None:
            self.limits["up"] = self.traffic.bytes_up + up
        if down is not None:
            self.limits["down"] = self.traffic.bytes_down + down

    def clear(self) -> None:
        """Remove every rule, substitution and limit. Capabilities that were taken away stay away."""
        self.rules, self.answers, self.limits = (), (), {}

    def cut(self, *, reset: bool = False) -> int:
        """End every open connection now. Returns how many there were."""
        return self._run(self._cut_all(reset=reset))

    def inject(self, *lines: str) -> None:
        """Send lines to every connected client, as soon as no response is half passed on."""
        self._run(self._inject_all(lines))

    def refuse(self) -> None:
        """Become unreachable, until `accept`: close the port and cut open connections."""
        self._run(self._shut())

    def accept(self) -> None:
        self._run(self._listen())

    # -- inside

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._serve, ADDRESS, self.port, ssl=self._inward, limit=_LIMIT, reuse_address=True
        )

    async def _shut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut_all(reset=False)

    async def _settle(self) -> None:
        """Wait for connections to finish, so that no socket is left to the garbage collector."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=5)
        await asyncio.sleep(0.005)

    async def _cut_all(self, *, reset: bool) -> int:
        links = list(self._links)
        for link in links:
            link.end(reset=reset)
        await asyncio.gather(*(link.ended.wait() for link in links))
        return len(links)

    async def _inject_all(self, lines: tuple[str, ...]) -> None:
        for link in list(self._links):
            await link.inject(lines)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.traffic.connections += 1
        if task := asyncio.current_task():
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            server = await asyncio.open_connection(*self.target, ssl=self.outward, server_hostname=HOST, limit=_LIMIT)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), server)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)
            link.ended.set()


class _Link:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.proxy = proxy
        self.manner = None if proxy.manners is None else proxy.manners.conversation()
        self.ended = asyncio.Event()
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._open = asyncio.Event()  # clear: nothing may be passed to the client
        self._open.set()
        self._between = asyncio.Lock()  # held while a response is under way
        self._server_spoke = True
        self._under_way: dict[bytes, str] = {}  # tag: command
        self._opened = asyncio.Event()  # clear: a SELECT or EXAMINE is under way
        self._opened.set()

    async def run(self) -> None:
        pumps = [asyncio.ensure_future(self._up()), asyncio.ensure_future(self._down())]
        _, other = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in other:
            pump.cancel()
        results = await asyncio.gather(*pumps, return_exceptions=True)
        await self._close()
        expected = _EndedError | OSError | asyncio.IncompleteReadError
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, expected):
                self.proxy.faults.append(f"{type(result).__name__}: {result}")

    def end(self, *, reset: bool) -> None:
        """Cut both sides. The pumps notice by themselves."""
        if reset:
            # a linger time of zero makes the kernel send a reset instead of an end of file
            plain: socket.socket = self._to_client.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for writer in (self._to_client, self._to_server):
            writer.transport.abort()

    async def inject(self, lines: tuple[str, ...], tag: bytes = b"") -> None:
        async with self._between:
            await self._send_lines(lines, tag)

    # -- from the client to the server

    async def _up(self) -> None:
        while True:
            line = await self._from_client.readuntil(b"\n")
            await self._count_flight()
            start = _COMMAND.match(line)
            if start is None:
                await self._continuation(line)
            else:
                await self._command(start[1], line)

    async def _count_flight(self) -> None:
        if self._server_spoke:
            self._server_spoke = False
            self.proxy.traffic.round_trips += 1
            if self.proxy.latency:
                await asyncio.sleep(self.proxy.latency)

    async def _continuation(self, line: bytes) -> None:
        word = line.strip().upper()
        self.proxy.traffic.commands.append("DONE" if word == b"DONE" else "(credentials)")
        await self._pass_up(line)

    async def _command(self, tag: bytes, line: bytes) -> None:
        command = line[len(tag) + 1 :].decode("utf-8", "replace").rstrip("\r\n")
        self.proxy.traffic.commands.append(_SECRET.sub(r"\1 (credentials)", command))
        if self._withheld(command):
            await self._refuse(tag, command, line)
            return
        for action in self._due("before", command):
            if isinstance(action, Answer):
                self.proxy.traffic.bytes_up += len(line)
                await self.inject(action.lines, tag)
                return
            if isinstance(action, Rewrite):
                line = tag + b" " + action.change(command).encode() + b"\r\n"
                continue
            await self._act(action, tag)
        if self.manner is not None:
            if self.manner.must_know_what_is_open():
                await self._opened.wait()
            said = self.manner.command(tag, line)
            if isinstance(said, Instead):
                self.proxy.traffic.bytes_up += len(line)
                async with self._between:
                    await self._say(said)
                return
            line = said
        await self._send_on(tag, command, line)

    async def _send_on(self, tag: bytes, command: str, line: bytes) -> None:
        self._under_way[tag] = command
        if _opens(command):
            self._opened.clear()
        after = self._due("sent", command)
        if after:
            self._open.clear()
        try:
            await self._pass_up(line)
            while literal := _LITERAL.search(line):
                if after and not literal[2]:
                    self._open.set()  # the client waits for the server's continuation
                await self._pass_literal_up(int(literal[1]))
                if after:
                    self._open.clear()
                line = await self._from_client.readuntil(b"\n")
                await self._pass_up(line)
            for action in after:
                await self._act(action, tag)
        finally:
            self._open.set()

    async def _pass_literal_up(self, size: int) -> None:
        while size:
            chunk = await self._from_client.read(min(size, 65_536))
            await self._count_flight()
            if not chunk:
                raise _EndedError
            size -= len(chunk)
            await self._pass_up(chunk)

    async def _pass_up(self, data: bytes) -> None:
        data, cut = self._within_limit("up", self.proxy.traffic.bytes_up, data)
        self.proxy.traffic.bytes_up += len(data)
        self._to_server.write(data)
        await self._to_server.drain()
        if cut:
            await self._flush_and_end()

    def _withheld(self, command: str) -> bool:
        words = command.upper().split()
        first, second = words[0], words[1] if len(words) > 1 else ""
        gone = self.proxy.withheld
        if "MOVE" in gone and (first == "MOVE" or (first, second) == ("UID", "MOVE")):
            return True
        if "UIDPLUS" in gone and (first, second) == ("UID", "EXPUNGE"):
            return True
        return first in gone

    async def _refuse(self, tag: bytes, command: str, line: bytes) -> None:
        self.proxy.traffic.bytes_up += len(line)
        await self.inject((f"{{tag}} BAD Error in IMAP command {command.split()[0]}: Unknown command.",), tag)

    # -- from the server to the client

    async def _down(self) -> None:
        while True:
            line = await self._from_server.readuntil(b"\n")
            async with self._between:
                await self._response(line)

    async def _response(self, line: bytes) -> None:
        tag = line.split(b" ", 1)[0]
        command = self._under_way.get(tag)
        if command is not None:
            for action in self._due("answered", command):
                await self._act(action, tag)
            del self._under_way[tag]
            if _opens(command):
                self._opened.set()
        if self.manner is not None:
            await self._say(self.manner.response(await self._collected(line)))
            return
        await self._pass_down(self._edited(line))
        while literal := _LITERAL.search(line):
            await self._pass_literal_down(int(literal[1]), self._from_server)
            line = await self._from_server.readuntil(b"\n")
            await self._pass_down(self._edited(line))

    async def _collected(self, line: bytes) -> Response:
        pieces = [line]
        while literal := _LITERAL.search(pieces[-1]):
            pieces.append(await self._from_server.readexactly(int(literal[1])))
            pieces.append(await self._from_server.readuntil(b"\n"))
        return pieces

    async def _say(self, said: Instead) -> None:
        for response in said.responses:
            for number, piece in enumerate(response):
                if number % 2 == 0:
                    await self._pass_down(self._edited(piece))
                else:
                    kept = asyncio.StreamReader(limit=_LIMIT)
                    kept.feed_data(piece)
                    await self._pass_literal_down(len(piece), kept)
        if said.end:
            await self._flush_and_end()

    def _edited(self, line: bytes) -> bytes:
        for pattern, replacement in self.proxy.answers:
            line = pattern.sub(replacement, line)
        if self.proxy.withheld:
            line = _CAPABILITIES.sub(self._announced, line)
            if "UIDPLUS" in self.proxy.withheld:
                line = _UID_CODES.sub(b"", line)
        return line

    def _announced(self, match: re.Match[bytes]) -> bytes:
        names = [name for name in match[2].split() if name.decode().upper() not in self.proxy.withheld]
        return match[1] + b" ".join(names)

    async def _pass_literal_down(self, size: int, source: asyncio.StreamReader) -> None:
        passed = 0
        stops = self._stops(size)
        while passed < size:
            stop = stops[0].offset if stops else size
            if passed == stop:
                await self._perform(stops.pop(0))
                continue
            chunk = await source.read(min(stop - passed, 65_536))
            if not chunk:
                raise _EndedError
            passed += len(chunk)
            await self._pass_down(chunk)

    def _stops(self, size: int) -> list[Rule]:
        """The rules that apply within a literal of this size, which may belong to any command under way."""
        commands = list(self._under_way.values())
        rules = [
            rule
            for rule in self.proxy.rules
            if rule.offset < size and any(rule.matches("literal", command) for command in commands)
        ]
        return sorted(rules, key=lambda rule: rule.offset)

    async def _perform(self, rule: Rule) -> None:
        rule.spend()
        for action in rule.actions:
            await self._act(action, b"")

    async def _pass_down(self, data: bytes) -> None:
        await self._open.wait()
        data, cut = self._within_limit("down", self.proxy.traffic.bytes_down, data)
        self.proxy.traffic.bytes_down += len(data)
        self._server_spoke = True
        self._to_client.write(data)
        await self._to_client.drain()
        if cut:
            await self._flush_and_end()

    # -- both ways

    def _within_limit(self, direction: str, passed: int, data: bytes) -> tuple[bytes, bool]:
        limit = self.proxy.limits.get(direction)
        if limit is None or passed + len(data) < limit:
            return data, False
        del self.proxy.limits[direction]
        return data[: limit - passed], True

    def _due(self, when: When, command: str) -> list[Action]:
        actions: list[Action] = []
        for rule in self.proxy.rules:
            if rule.matches(when, command):
                rule.spend()
                actions.extend(rule.actions)
        return actions

    async def _act(self, action: Action, tag: bytes) -> None:
        loop = asyncio.get_running_loop()
        match action:
            case Cut(reset=True):
                self.end(reset=True)
                raise _EndedError
            case Cut():
                await self._flush_and_end()
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Inject(lines):
                await self._send_lines(lines, tag)
            case Call(function):
                await loop.run_in_executor(None, function)
            case Hold(until):
                await self._hold(until)
            case Answer() | Rewrite():  # handled where the command is passed on
                raise AssertionError(action)

    async def _hold(self, until: threading.Event) -> None:
        self._open.clear()
        try:
            while not until.is_set():
                await asyncio.sleep(0.01)
        finally:
            self._open.set()

    async def _send_lines(self, lines: tuple[str, ...], tag: bytes) -> None:
        data = b"".join(line.replace("{tag}", tag.decode()).encode() + b"\r\n" for line in lines)
        self.proxy.traffic.bytes_down += len(data)
        self._server_spoke = True
        self._to_client.write(data)
        await self._to_client.drain()

    async def _flush_and_end(self) -> None:
        await self._close()
        raise _EndedError

    async def _close(self) -> None:
        """Close both sides. What was passed on still arrives before the end of file."""
        writers = (self._to_client, self._to_server)
        for writer in writers:
            writer.close()
        for writer in writers:
            # `wait_for` would cancel what the other pump may be waiting for as well
            closing = asyncio.ensure_future(writer.wait_closed())
            await asyncio.wait([closing], timeout=1)
            if not closing.done():
                closing.cancel()
            if closing.cancelled() or not closing.done() or closing.exception() is not None:
                writer.transport.abort()


def _opens(command: str) -> bool:
    return command.upper().startswith(("SELECT ", "EXAMINE "))
