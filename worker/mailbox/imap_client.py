"""IMAPClient, changed where a worker that runs unattended for a year needs more of it.

- Nothing received is ever formatted for a logger. IMAPClient does that for every body at debug level, which costs more
  than half of the speed and would put content into a log.
- FETCH is keyed by the UIDs in its answers. IMAPClient takes the number of an answer without one for a UID.
- A folder that may only be read can be opened. imaplib raises what otherwise means that the connection has ended.
"""

import ssl
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from imapclient import IMAPClient, SocketTimeout

from worker.connections import Dialer
from worker.mailbox import uid_sets
from worker.mailbox.arrival_days import by_day
from worker.mailbox.fetch_answers import Items, by_uid
from worker.mailbox.folder_answers import listed_in, namespaces_in, status_in
from worker.mailbox.in_flight import Sent
from worker.mailbox.wire import Wire


class Client(IMAPClient):  # type: ignore[misc]  # IMAPClient ships no types
    """IMAPClient on top of `Wire`."""

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        *,
        connect: float,
        read: float,
        literal_cap: int,
        dialer: Dialer,
    ) -> None:
        self._literal_cap = literal_cap
        self._dialer = dialer
        super().__init__(host, port, ssl_context=context, timeout=SocketTimeout(connect=connect, read=read))
        self.wire.debug = 0  # nothing received may be formatted; see above
        self.normalise_times = False

    def _create_IMAP4(self) -> Wire:  # noqa: N802 -- IMAPClient's name
        return Wire(self.host, self.port, self.ssl_context, self._timeout.connect, self._literal_cap, self._dialer)

    def _raw_command(self, command: bytes, args: object, uid: bool = True) -> Any:
        """As IMAPClient sends SEARCH and others past imaplib: also only once everything in flight was answered."""
        self.wire.in_flight.finish()
        self.untagged(command.decode())  # what came with an answer that was refused
        return super()._raw_command(command, args, uid)

    @property
    def wire(self) -> Wire:
        """imaplib's half of this client."""
        wire: Wire = self._imap
        return wire

    @property
    def is_logged_in(self) -> bool:
        """Whether the server says so: in its greeting (PREAUTH), or after a login."""
        return str(self.wire.state) != "NONAUTH"

    def send_fetch(self, uids: Sequence[int], items: Sequence[str], *, names: frozenset[bytes], cap: int) -> Sent:
        """Send UID FETCH. names: what the answers call the items. cap: the bytes that the literals in its answer may
        add up to.
        """
        named = ",".join(map(str, uids))
        return self.wire.in_flight.send_fetch(named, f"({' '.join(items)})", uids=uids, names=names, cap=cap)

    def send_move(self, uids: Sequence[int], target: str) -> Sent:
        """Send UID MOVE (RFC 6851)."""
        return self.wire.in_flight.send("MOVE", uid_sets.compress(uids), self._normalise_folder(target), uids=uids)

    def check_answer(self, sent: Sent) -> None:
        """Read until this command is answered, and raise what IMAPClient raises if the answer isn't OK."""
        wire = self.wire
        wire.in_flight.complete(sent)
        status, data = wire._command_complete(sent.name, sent.tag)  # noqa: SLF001 -- as IMAPClient's fetch does
        self._checkok(sent.name.lower(), status, data)

    def fetch_by_uid(self, which: str, items: Sequence[str]) -> dict[int, Items]:
        """Fetch these items of the messages with these UIDs, a set in the notation of the protocol."""
        return self._fetched(("UID", "FETCH", which), items)

    def fetch_by_number(self, which: str, items: Sequence[str]) -> dict[int, Items]:
        """Fetch these items, UID among them, of the messages with these numbers in the folder. Returns them by UID."""
        return self._fetched(("FETCH", which), items)

    def search_by(self, criteria: Sequence[str]) -> set[int]:
        """UID SEARCH without a charset. criteria: ASCII, as they go to the server.

        IMAPClient's own leaves a text such as `{5}` or `NOT` unquoted, which is then more than a text.
        """
        self.wire.in_flight.finish()
        return self.search_said(self.wire.in_flight.send_search(*criteria))

    def _fetched(self, command: Sequence[str], items: Sequence[str]) -> dict[int, Items]:
        wire = self.wire
        wire.untagged_responses.pop("FETCH", None)  # what an earlier command brought, or left half told
        tag = wire._command(*command, f"({' '.join(items)})")  # noqa: SLF001 -- as IMAPClient's fetch does
        status, data = wire._command_complete("FETCH", tag)  # noqa: SLF001 -- likewise
        self._checkok("fetch", status, data)
        _, data = wire._untagged_response(status, data, "FETCH")  # noqa: SLF001 -- likewise
        return by_uid(data)

    def inbox_quota(self) -> list[object]:
        """GETQUOTAROOT INBOX (RFC 9208): the QUOTA answers as imaplib gives them.

        IMAPClient's own fails on answers that aren't as the RFC says.
        """
        self.untagged("QUOTA")  # what came with an answer that was refused
        self.untagged("QUOTAROOT")
        status, (_, lines) = self.wire.getquotaroot("INBOX")
        self._checkok("getquotaroot", status, lines)
        quotas: list[object] = lines
        return quotas

    def open_folder(self, folder: str, *, read_only: bool = False) -> dict[bytes, object]:
        """SELECT, or EXAMINE. The answer of a folder that may only be read has an item READ-ONLY."""
        self.wire.in_flight.finish()
        return self.opened(self.send_open(folder, read_only=read_only))

    def send_open(self, folder: str, *, read_only: bool = False) -> Sent:
        """Send SELECT, or EXAMINE, for `opened` to read the answer. The commands after it mean this folder."""
        sent = self.wire.in_flight.send_plain("EXAMINE" if read_only else "SELECT", self._normalise_folder(folder))
        self.wire.state = "SELECTED"  # or imaplib refuses commands on messages until SELECT is answered
        self.wire.is_readonly = read_only
        return sent

    def opened(self, sent: Sent) -> dict[bytes, object]:
        """Read the answer to SELECT or EXAMINE, as `open_folder` returns it."""
        self.wire.state = "AUTH"
        self.check_answer(sent)
        self.wire.state = "SELECTED"
        latest = {name: lines[-1:] for name, lines in sent.opened.items()}
        answer: dict[bytes, object] = self._process_select_response(latest)
        return answer

    def send_create(self, folder: str) -> Sent:
        """Send CREATE, for `check_answer` to read the answer."""
        return self.wire.in_flight.send_plain("CREATE", self._normalise_folder(folder))

    def send_status(self, folder: str, items: Sequence[str]) -> Sent:
        """Send STATUS, for `status_said` to read the answer."""
        return self.wire.in_flight.send_status(self._normalise_folder(folder), f"({' '.join(items)})")

    def status_said(self, sent: Sent) -> dict[bytes, object]:
        """Read the answer to STATUS."""
        self.check_answer(sent)
        return status_in(sent.said)

    def search_said(self, sent: Sent) -> set[int]:
        """Read the answer to UID SEARCH."""
        self.check_answer(sent)
        return {int(uid) for line in sent.said if isinstance(line, bytes) for uid in line.split()}

    def days_said(self, sent: Sent) -> Mapping[date | None, int]:
        """Read how many messages arrived on each day."""
        self.check_answer(sent)
        return by_day(sent.days or {})

    def folders_by_use(self) -> list[tuple[tuple[object, ...], str]]:
        """LIST with the attributes of RFC 6154, for servers with SPECIAL-USE and LIST-EXTENDED: flags and names."""
        self.wire.in_flight.finish()
        self.check_answer(sent := self.wire.in_flight.send_plain("LIST", '""', '"*"', "RETURN", "(SPECIAL-USE)"))
        return listed_in(sent.said)

    def send_list(self) -> Sent:
        """Send LIST, for `listed` to read the answer."""
        return self.wire.in_flight.send_plain("LIST", '""', '"*"')

    def listed(self, sent: Sent) -> list[tuple[object, object, object]]:
        """Read the answer to LIST: flags, delimiter and name of each folder."""
        self.check_answer(sent)
        return list(self._proc_folder_list(sent.said))

    def personal_namespaces(self) -> list[tuple[str, str]]:
        """NAMESPACE (RFC 2342): prefix and delimiter of each personal one."""
        self.wire.in_flight.finish()
        self.check_answer(sent := self.wire.in_flight.send_plain("NAMESPACE"))
        return namespaces_in(sent.said)

    def forget_capabilities(self) -> None:
        """Drop the cached capabilities, since a login may change them."""
        self._cached_capabilities = None

    def untagged(self, name: str) -> list[Any]:
        """Return and forget the untagged responses, or response codes, of this name."""
        return self.wire.untagged(name)
