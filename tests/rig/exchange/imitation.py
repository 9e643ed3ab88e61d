"""Makes a Dovecot behind a proxy look like Exchange, by the rules of a scenario.

exchange = Exchange(Rules.of("usual"))
with Dovecot(authority=authority, manners=exchange) as server:
    ...
assert exchange.hits["throttled"] and not exchange.misuse
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from imapclient import imap_utf7

from tests.rig.exchange.fetched import Fetched
from tests.rig.exchange.placeholders import being_scanned, header_of, not_converted
from tests.rig.exchange.rules import Late, Rules
from tests.rig.proxy import Instead, Response

SEED = 14
_WORDS = re.compile(rb"(\S+) (UID )?([A-Za-z]+)", re.IGNORECASE)
_TAGGED = re.compile(rb"(\S+) (OK|NO|BAD) ?(\[[^\]]*\] ?)?")
_PARTIAL = re.compile(rb"BODY\.PEEK\[(HEADER)?\]<0\.(\d+)>", re.IGNORECASE)
_LISTS = re.compile(rb"UID (?:FETCH .*?\b(?=\d+:\*)|SEARCH .*?\b(?=\d+:(?:\*|\d{5})))(\d+):(\*|\d+)", re.IGNORECASE)
"""A FETCH without an end, or a SEARCH in a window as wide as only a listing has it."""
_STORED = re.compile(r"FLAGS(?:\.SILENT)? \(?([^)]*)", re.IGNORECASE)
_LACKS = re.compile(r"\bRETURN \(|\bCHANGEDSINCE\b|\bMODSEQ\b|\bCONDSTORE\b|\bQRESYNC\b", re.IGNORECASE)
_CHARSET = re.compile(r"\bSEARCH CHARSET (?!US-ASCII\b)", re.IGNORECASE)
_BY_CONTENT = re.compile(rb"SEARCH .*\b(?:FROM|SUBJECT|HEADER|TEXT|BODY|SINCE|BEFORE)\b", re.IGNORECASE)
_NAME = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\S+)')
_FOLDER_COMMANDS = (b"SELECT", b"EXAMINE", b"STATUS", b"CREATE", b"DELETE", b"MOVE", b"COPY", b"SUBSCRIBE")
_ESTIMATES = (0.62, 0.9, 1.0, 1.04, 1.31)
_COMPLETED = b"%s OK %s completed.\r\n"


@dataclass
class _Folder:
    """What clients have been told of a folder. Its newest messages may be missing from listings at first."""

    messages: int = -1
    uidnext: int | None = None
    listed_below: int | None = None
    """UIDs from here on are missing from listings; None: none is."""
    unlisted: int = 0
    """From how many listings yet."""


@dataclass
class Exchange:
    """One server of this kind, and what it remembers of all connections.

    hits: how often each peculiarity was shown. misuse: what no client should send to such a server.
    """

    rules: Rules
    hits: Counter[str] = field(default_factory=Counter)
    misuse: list[str] = field(default_factory=list)
    folders: dict[bytes, _Folder] = field(default_factory=dict)
    shown: set[bytes] = field(default_factory=set)
    """Digests of the headers of messages that were shown whole, wherever they lie now: they aren't late any more."""
    asked: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    matched: Counter[int] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    def conversation(self) -> "Conversation":
        return Conversation(self)

    def troubles(self, *, done: bool, command: str) -> Iterator[tuple[list[str], bool]]:
        """The troubles that are due at this command: what is said, and whether the connection ends."""
        for number, trouble in enumerate(self.rules.trouble):
            if trouble.done is done and trouble.matches(command):
                self.matched[number] += 1
                if trouble.is_due(self.matched[number]):
                    self.hits[trouble.say[-1] if trouble.say else "end"] += 1
                    yield trouble.say, trouble.end

    def late(self, folder: bytes, uid: int) -> Late | None:
        """Whether, and how, a message is shown late."""
        for late in self.rules.late:
            if late.folder.encode() == folder and uid % late.every == late.rest:
                return late
        return None

    def forget(self) -> None:
        """Give up all late messages and troubles: from now on everything is shown, and nothing fails."""
        self.rules = self.rules.model_copy(update={"late": [], "trouble": [], "unlisted": 0})


class Conversation:
    """One connection."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rules = exchange.rules
        self._greeted = False
        self._logged_in = False
        self._rev2 = False
        self._selected = b""
        self._commands: dict[bytes, bytes] = {}
        """Under way, by tag: the lines that were passed on, without tags."""
        self._to_server = {_encoded(shown): _encoded(real) for real, shown in exchange.rules.folders.named.items()}
        self._to_client = {real: shown for shown, real in self._to_server.items()}

    # -- from the client

    def must_know_what_is_open(self) -> bool:
        return bool(self._rules.unlisted)

    def command(self, tag: bytes, line: bytes) -> bytes | Instead:
        words = _WORDS.match(line)
        assert words is not None, "the proxy asks of commands alone"
        verb, text = words[3].upper(), line[len(tag) + 1 :].decode("utf-8", "replace").rstrip("\r\n")
        if refused := self._refused(tag, verb, text):
            return refused
        for lines, end in self._exchange.troubles(done=False, command=text):
            return _said([said.replace("{tag}", tag.decode()) for said in lines], end=end)
        line = self._listing(self._named(verb, line))
        if verb in (b"SELECT", b"EXAMINE"):
            self._selected = _folder_in(line)
        self._commands[tag] = line[len(tag) + 1 :].rstrip(b"\r\n")
        return line

    def _refused(self, tag: bytes, verb: bytes, text: str) -> Instead | None:
        """The answer to what needs no server, or to what Exchange doesn't know."""
        rules, offered = self._rules, self._offered()
        if verb == b"CAPABILITY":
            return _said([f"* CAPABILITY {' '.join(offered)}", f"{tag.decode()} OK CAPABILITY completed."])
        if verb == b"ENABLE":
            self._rev2 = "IMAP4REV2" in text.upper()
            return self._misused(text, f"{tag.decode()} OK ENABLE completed.")
        if verb == b"LOGIN" and "LOGINDISABLED" in rules.before:
            return self._misused("LOGIN", f"{tag.decode()} BAD Command received in Invalid state.")
        if verb == b"MOVE" and "MOVE" not in offered:
            return self._misused(text, f"{tag.decode()} BAD Command Error. 10")
        if verb == b"SEARCH" and self._rev2:
            return _said([f"{tag.decode()} BAD Command Error. 10"])
        if verb == b"SEARCH" and _CHARSET.search(text):
            return self._misused(
                text, f"{tag.decode()} NO [BADCHARSET (US-ASCII)] The specified charset is not supported."
            )
        if verb == b"IDLE" and "IDLE" not in offered:
            return self._misused(text, f"{tag.decode()} BAD Command Error. 10")
        if self._names_a_keyword(verb, text):
            return self._misused(text, f"{tag.decode()} BAD Command Argument Error. 11")
        if verb in (b"SEARCH", b"FETCH", b"LIST", b"SELECT", b"STATUS") and _LACKS.search(text):
            return self._misused(text, f"{tag.decode()} BAD Command Argument Error. 12")
        return None

    def _names_a_keyword(self, verb: bytes, text: str) -> bool:
        if verb == b"SEARCH":
            return re.search(r"\bKEYWORD\b|\bUNKEYWORD\b", text, re.IGNORECASE) is not None
        stored = _STORED.search(text) if verb == b"STORE" else None
        known = {flag.lower() for flag in self._rules.flags}
        return stored is not None and not known.issuperset(stored[1].lower().split())

    def _misused(self, text: str, said: str) -> Instead:
        self._exchange.misuse.append(text)
        return _said([said])

    def _offered(self) -> list[str]:
        return self._rules.after if self._logged_in else self._rules.before

    def _named(self, verb: bytes, line: bytes) -> bytes:
        """The command with the names that Dovecot has for the folders."""
        if verb not in _FOLDER_COMMANDS or not self._to_server:
            return line
        return _NAME.sub(lambda name: self._renamed(name, self._to_server), line)

    @staticmethod
    def _renamed(name: re.Match[bytes], names: dict[bytes, bytes]) -> bytes:
        other = names.get(name[1] if name[2] is None else name[2])
        return name[0] if other is None else b'"' + other + b'"'

    def _listing(self, line: bytes) -> bytes:
        """A listing, such as `UID FETCH n:*`, that may miss what has just come, and show the last message before."""
        lists, folder = _LISTS.search(line), self._folder()
        if lists is None or folder.listed_below is None:
            return line
        if folder.unlisted <= 0:
            folder.listed_below = None
            return line
        folder.unlisted -= 1
        self._exchange.hits["unlisted"] += 1
        last = max(folder.listed_below - 1, 1)
        span = b"%d:%d" % (min(int(lists[1]), last), last)
        return line.replace(b"%s:%s" % lists.groups(), span, 1)

    def _folder(self) -> _Folder:
        return self._exchange.folders.setdefault(self._selected, _Folder())

    # -- from the server

    def response(self, response: Response) -> Instead:
        line = response[0]
        if not self._greeted:
            self._greeted = True
            return _said([f"* OK {self._rules.greeting}"])
        if (tagged := _TAGGED.match(line)) and tagged[1] in self._commands:
            return self._completed(tagged, line)
        if line.startswith(b"* "):
            return self._untagged(response)
        return Instead((response,))

    def _completed(self, tagged: re.Match[bytes], line: bytes) -> Instead:
        command = self._commands.pop(tagged[1])
        for lines, end in self._exchange.troubles(done=True, command=command.decode("utf-8", "replace")):
            return _said([said.replace("{tag}", tagged[1].decode()) for said in lines], end=end)
        words = command.upper().split(b" ")
        verb = words[1] if words[0] == b"UID" else words[0]
        if verb in (b"LOGIN", b"AUTHENTICATE"):
            return self._login_answered(tagged, line, verb)
        if tagged[2] != b"OK":
            # a SEARCH may be sent together with the SELECT before it, which was refused
            if tagged[2] == b"BAD" and not (verb == b"SEARCH" and b"No mailbox selected" in line):
                self._exchange.misuse.append(command.decode("utf-8", "replace"))
            return Instead(([line],))
        if verb in (b"SELECT", b"EXAMINE"):
            return Instead(([line],))  # [READ-WRITE]
        more: list[Response] = []
        if verb == b"LIST":
            more = [[b'* LIST (\\HasNoChildren) "/" %s\r\n' % _quoted(name)] for name in self._rules.folders.more]
        code = self._copyuid(line) if b"[COPYUID" in line else b""
        if code:
            return Instead((*more, [b"%s OK %s%s completed.\r\n" % (tagged[1], code, verb)]))
        return Instead((*more, [_COMPLETED % (tagged[1], verb)]))

    def _login_answered(self, tagged: re.Match[bytes], line: bytes, verb: bytes) -> Instead:
        if tagged[2] == b"OK":
            self._logged_in = True
            return Instead(([_COMPLETED % (tagged[1], verb)],))
        if b"UNAVAILABLE" in line:
            return Instead(([tagged[1] + b" NO Server Unavailable. 15\r\n"],))
        if b"[AUTHENTICATIONFAILED]" in line:
            return Instead(([tagged[1] + b" NO %s failed.\r\n" % verb],))
        return Instead(([line],))

    def _untagged(self, response: Response) -> Instead:
        line = response[0]
        word = line.split(None, 2)[1].upper()
        if word == b"CAPABILITY":
            return Instead(())
        if word == b"BYE":
            said = b"Microsoft Exchange Server IMAP4 server signing off."
            logs_out = b"LOGOUT" in {command.upper() for command in self._commands.values()}
            return Instead(([b"* BYE %s\r\n" % (said if logs_out else b"Connection is closed. 13")],))
        if (fetched := Fetched.of(response)) is not None:
            return self._fetched(fetched)
        shown = self._line(line)
        return Instead(() if shown is None else ([shown, *response[1:]],))

    def _line(self, line: bytes) -> bytes | None:
        """An untagged line, as Exchange says it; None: it says nothing of the kind."""
        rules = self._rules
        if b"[HIGHESTMODSEQ" in line:
            return None
        if line.startswith(b"* FLAGS "):
            line = b"* FLAGS (%s)\r\n" % " ".join(rules.flags).encode()
        elif b"[PERMANENTFLAGS" in line:
            line = b"* OK [PERMANENTFLAGS (%s)] Permanent flags\r\n" % " ".join(rules.flags).encode()
        elif b"[UIDNEXT " in line:
            self._arrived(int(re.findall(rb"UIDNEXT (\d+)", line)[0]))
        elif line.rstrip().endswith(b" EXISTS"):
            self._exist(int(line.split()[1]))
        elif line.startswith(b"* SEARCH"):
            line = self._searched(line)
        elif b"[COPYUID" in line:
            line = b"* OK %s\r\n" % self._copyuid(line)
        elif line.startswith((b"* LIST", b"* LSUB", b"* STATUS")):
            if not rules.folders.marked:
                line = re.sub(rb"(?: ?\\(?:Junk|Sent|Trash|Drafts|Archive|All|Flagged))+(?=[ )])", b"", line)
                line = line.replace(b"( ", b"(")
            if self._to_client:
                line = _NAME.sub(lambda name: self._renamed(name, self._to_client), line)
        if rules.uidvalidity is not None:
            line = re.sub(rb"\b(UIDVALIDITY|APPENDUID) \d+", b"\\1 %d" % rules.uidvalidity, line)
        return line

    def _searched(self, line: bytes) -> bytes:
        """The answer to SEARCH, without what Exchange misses."""
        every = self._rules.unsearched
        if not every or not any(_BY_CONTENT.search(command) for command in self._commands.values()):
            return line
        uids = line.split()[2:]
        kept = [uid for uid in uids if int(uid) % every]
        self._exchange.hits["unsearched"] += len(uids) - len(kept)
        return b" ".join([b"* SEARCH", *kept]) + b"\r\n"

    def _copyuid(self, line: bytes) -> bytes:
        """The code that stands in for the COPYUID in this line."""
        validity, old, new = re.findall(rb"\[COPYUID (\d+) (\S+) ([^\] ]+)\]", line)[0]
        shown = str(self._rules.uidvalidity or int(validity))
        forms = self._rules.copyuid or ["[COPYUID {validity} {old} {new}]"]
        form = forms[self._exchange.hits["copyuid"] % len(forms)]
        self._exchange.hits["copyuid"] += 1
        return form.format(validity=shown, old=old.decode(), new=new.decode()).encode() + b" "

    def _exist(self, messages: int) -> None:
        """Take note of what has come while the folder was open; of what came before, UIDNEXT tells."""
        folder = self._folder()
        if self._rules.unlisted and 0 <= folder.messages < messages and not self._opening():
            folder.listed_below, folder.unlisted = folder.uidnext, self._rules.unlisted
        folder.messages = messages

    def _opening(self) -> bool:
        return any(command.upper().startswith((b"SELECT", b"EXAMINE")) for command in self._commands.values())

    def _arrived(self, uidnext: int) -> None:
        """Take note of what has come since the folder was opened last."""
        folder = self._folder()
        if self._rules.unlisted and folder.uidnext is not None and uidnext > folder.uidnext:
            folder.listed_below, folder.unlisted = folder.uidnext, self._rules.unlisted
        folder.uidnext = uidnext

    # -- messages

    def _fetched(self, fetched: Fetched) -> Instead:
        uid, exchange = fetched.uid, self._exchange
        late = None if uid is None else exchange.late(self._selected, uid)
        if uid is not None and fetched.content():
            whose = _header_in(fetched)
            if late is not None and whose not in exchange.shown:
                shown = self._late(fetched, uid, late)
                if shown is None:
                    return Instead(())
                fetched = shown
            if fetched.whole() and _header_in(fetched) == whose:
                exchange.shown.add(whose)
        if b"FLAGS" in fetched.items:
            words = fetched.items[b"FLAGS"].strip(b"()").split()
            known = [word for word in words if word.decode() in self._rules.flags]
            fetched.items[b"FLAGS"] = b"(" + b" ".join(known) + b")"
        if b"RFC822.SIZE" in fetched.items and self._rules.sizes == "estimated":
            size = int(fetched.items[b"RFC822.SIZE"])
            fetched.items[b"RFC822.SIZE"] = b"%d" % int(size * _ESTIMATES[size % len(_ESTIMATES)])
            exchange.hits["estimate"] += 1
        if b"BODYSTRUCTURE" in fetched.items:
            fetched.items[b"BODYSTRUCTURE"] = b'(("TEXT" "PLAIN" NIL NIL "7BIT" 2 1)("MIXED" ("BOUNDARY" "x") NIL'
            exchange.hits["bodystructure"] += 1
        if self._rules.order == "any":
            items = list(fetched.items.items())
            exchange.chance.shuffle(items)
            fetched.items = dict(items)
        return Instead((fetched.response(),))

    def _late(self, fetched: Fetched, uid: int, late: Late) -> Fetched | None:
        """What is shown of a message that is late; None: nothing."""
        place, whole = (self._selected, uid), fetched.whole()
        asked = self._exchange.asked[place]
        if whole or late.shows in ("nothing", "empty"):
            self._exchange.asked[place] += 1
        if late.asks and asked >= late.asks:
            return fetched
        self._exchange.hits[late.shows] += 1
        if late.shows == "nothing":
            return None
        for name in fetched.content():
            if late.shows == "empty" or (late.shows == "bodiless" and whole):
                fetched.literals.pop(name, None)
                fetched.items[name] = b'""'
            elif late.shows in ("conversion", "scan"):
                first = fetched.literals.get(name, b"")
                shown = not_converted(uid) if late.shows == "conversion" else being_scanned(first)
                shown = shown if name.upper().startswith(b"BODY[]") else header_of(shown)
                fetched.literals[name] = shown[: self._most(name)]
                if b"RFC822.SIZE" in fetched.items:
                    fetched.items[b"RFC822.SIZE"] = b"1024"
        return fetched

    def _most(self, name: bytes) -> int | None:
        """How many bytes of this item the command asks for."""
        header = b"HEADER" in name.upper()
        for command in self._commands.values():
            for part in _PARTIAL.finditer(command):
                if (part[1] is not None) is header:
                    return int(part[2])
        return None


def _said(lines: list[str], *, end: bool = False) -> Instead:
    return Instead(tuple([line.encode() + b"\r\n"] for line in lines), end)


def _encoded(name: str) -> bytes:
    """A folder's name as it is written in IMAP."""
    encoded: bytes = imap_utf7.encode(name)
    return encoded


def _quoted(name: str) -> bytes:
    return b'"' + _encoded(name) + b'"'


def _header_in(fetched: Fetched) -> bytes:
    """A digest of the header that an answer holds; of the empty string, if it holds none."""
    first = next((fetched.literals[name] for name in fetched.content() if name in fetched.literals), b"")
    return hashlib.sha256(header_of(first).rstrip()).digest()


def _folder_in(line: bytes) -> bytes:
    """The folder that a SELECT names."""
    name = _NAME.search(line.rstrip(b"\r\n").split(b" ", 2)[2])
    found = b"" if name is None else name[2] or name[1]
    return b"INBOX" if found.upper() == b"INBOX" else found
