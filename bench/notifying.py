"""A scripted server that reports each new message in IDLE at once. Dovecot itself waits half a second for more."""

import queue
import threading
import time
from collections.abc import Sequence
from typing import Self

from tests.rig.scripted import ScriptedServer, Step, answer, call, greeting, hang, send, serve
from tests.rig.tls import Authority

PATIENCE = 60.0
"""Seconds that either side waits for the other."""
_DONE = "{tag} OK done"
_OPENED = "{tag} OK [READ-WRITE] done"
_ALWAYS = {
    r"\w+ CAPABILITY": ["* CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS", _DONE],
    r"\w+ LOGIN .*": [_DONE],
    r"\w+ LIST .*": ['* LIST () "/" INBOX', '* LIST () "/" Processed', r'* LIST (\Junk) "/" Junk', _DONE],
    r"\w+ CREATE .*": [_DONE],
    r"\w+ STATUS .*": ['* STATUS "Junk" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1)', _DONE],
    r'\w+ (SELECT|EXAMINE) "?Junk"?': [
        "* 0 EXISTS",
        "* OK [UIDVALIDITY 1] .",
        "* OK [UIDNEXT 1] .",
        _OPENED,
    ],
    r"\w+ UID FETCH 1:\* \(INTERNALDATE\)": [_DONE],  # before the first mail: there is none
    r"\w+ NOOP": [_DONE],
    r"DONE": [_DONE],
}
_BODY = "FETCH body"
_IDLE = r"\w+ IDLE"
_MOVE = r"\w+ UID MOVE .*"


class NotifyingServer:
    """Holds a mailbox into which these messages come, one at a time. A context manager."""

    def __init__(self, authority: Authority, mail: Sequence[bytes]) -> None:
        self._in_idle = threading.Semaphore(0)
        self._put: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._notified: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._before = 0
        script = [*greeting("IMAP4rev1 IDLE MOVE UIDPLUS"), serve(_ALWAYS | _inbox(uidnext=1), until=_IDLE)]
        for uid, raw in enumerate(mail, 1):
            script += self._delivery(uid, raw)
        script += [*answer(_IDLE, "+ idling"), call(self._in_idle.release), hang()]
        self._server = ScriptedServer(authority, script, patience=PATIENCE)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *ended: object) -> None:
        self._server.finish()

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return self._server.port

    def deliver(self) -> float:
        """Put the next message into the mailbox once the client is in IDLE. Returns when (epoch seconds) that was."""
        if not self._in_idle.acquire(timeout=PATIENCE):
            faults = "; ".join(fault[:200] for fault in self._server.faults)
            raise RuntimeError(f"the client didn't begin IDLE: {faults}")
        self._before = len(self._server.commands)
        self._put.put(None)
        return self._notified.get(timeout=PATIENCE)

    def last_commands(self) -> list[str]:
        """The commands from the last notice to the body."""
        sent = [_name(line) for line in self._server.commands[self._before :]]
        return sent[: sent.index(_BODY) + 1]

    def _delivery(self, uid: int, raw: bytes) -> list[Step]:
        return [
            *answer(_IDLE, "+ idling"),
            call(self._in_idle.release),
            call(self._come),
            send("* 1 EXISTS"),
            serve(_ALWAYS | _inbox(uid=uid, raw=raw, uidnext=uid + 1), until=_MOVE),
            *answer(_MOVE, f"* OK [COPYUID 1 {uid} {uid}] .", "* 1 EXPUNGE", _DONE),
            serve(_ALWAYS | _inbox(uidnext=uid + 1), until=_IDLE),
        ]

    def _come(self) -> None:
        self._put.get(timeout=PATIENCE)
        self._notified.put(time.time())


def _name(line: str) -> str:
    """What a command is, without its tag and what it asks for."""
    if "BODY.PEEK[]" in line:
        return _BODY
    if "FETCH" in line:
        return "FETCH header"
    words = line.split()
    return words[0] if len(words) == 1 else words[2] if words[1] == "UID" else words[1]


def _inbox(*, uidnext: int, uid: int | None = None, raw: bytes = b"") -> dict[str, list[str]]:
    """What the server answers about the inbox while this one message is in it, or none."""
    text = raw.decode("ascii")
    header = "".join(text.partition("\r\n\r\n")[:2])
    about = f'UID {uid} RFC822.SIZE {len(text)} INTERNALDATE "02-Mar-2026 08:00:00 +0000" FLAGS ()'
    top, whole = f"BODY[HEADER]<0> {{{len(header)}}}\r\n{header}", f"BODY[]<0> {{{len(text)}}}\r\n{text}"
    count = 0 if uid is None else 1
    state = [f"* {count} EXISTS", "* OK [UIDVALIDITY 1] .", f"* OK [UIDNEXT {uidnext}] .", _OPENED]
    found = [] if uid is None else [str(uid)]
    return {
        r'\w+ (SELECT|EXAMINE) "?(INBOX|Processed)"?': state,
        r"\w+ UID SEARCH .*": [" ".join(["* SEARCH", *found]), _DONE],
        r"\w+ UID FETCH .*HEADER.*": [f"* 1 FETCH ({about} {top})", _DONE],
        r"\w+ UID FETCH .*BODY\.PEEK\[\].*": [f"* 1 FETCH (UID {uid} {whole})", _DONE],
    }
