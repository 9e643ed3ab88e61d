"""The commands about the audit trail: verify it, and read it. They write nothing, so a read-only copy will do."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worker.commands.context import Context
from worker.commands.shown import has_part
from worker.journal.attempts import AttemptLedger
from worker.journal.audit_anchors import Anchor, JournalAnchors
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.migrate import is_current
from worker.journal.online_copy import COPIED
from worker.journal.read_only import has_facts, readable
from worker.login.witness import Testimony, Untrusted, Witness, is_behind
from worker.logs.redaction import rfc3339
from worker.observe.audit.chain_name import chain_name, known_installation
from worker.observe.audit.findings import Verification
from worker.observe.audit.trail import unavailable
from worker.observe.audit.trail_folder import TrailFiles
from worker.observe.audit.verify import TrailReader, verify


def audit_verify(context: Context, *, every: bool = False, copy: bool = False) -> Verification:
    """Check the audit trail against itself, its witness, the journal, and the login's witness.

    every: also report the chains of other hosts as missing, although they lie in those hosts' own state folders.
    copy: the state folder is a copy. One that can't be written is taken for one. The answer says that it is a copy, and
    so it does of one by `journal backup`.
    """
    state = context.settings.state
    shared = state.journal is not None or state.journal_file is not None
    with context.explained():
        folder = _folder(context)
        seen = _testimony(state.dir)
        with _journal(context) as journal:
            own = known_installation(state.dir)
            anchors = _Empty() if journal is None else JournalAnchors(journal)
            found = verify(
                TrailReader(folder, anchors, "" if own is None else chain_name(own)),
                shared=shared and not every,
                copy=copy or _is_read_only(folder.path),
                set_back=seen is not None and _is_behind(journal, seen),
                begun=seen is not None and seen.number > 0 and not shared,
            )
            backup = journal is not None and bool(Facts(journal).recall(COPIED))
            return replace(found, copied=found.copied or copy or backup)


def audit_entries(context: Context) -> Iterator[dict[str, Any] | None]:
    """Every line of the audit trail, chain by chain, oldest first. None: it isn't one."""
    with context.explained(), unavailable():
        yield from _folder(context).parsed()


class Chosen:
    """Lines of the trail that a person asks for. Each is read once, so a trail of any length can be printed.

    since: at this time (epoch s) or later. kind: this one, or all that begin with it. key: all about messages whose key
    begins so, in upper or lower case. who: a part of the actor's name. why: a part of the reason, or of a
    person's own words.
    """

    def __init__(
        self,
        entries: Iterable[dict[str, Any] | None],
        *,
        since: float | None = None,
        kind: str | None = None,
        key: str | None = None,
        who: str | None = None,
        why: str | None = None,
    ) -> None:
        self._entries = entries
        self._since = "" if since is None else rfc3339(datetime.fromtimestamp(since, UTC))
        self._kind, self._key, self._who, self._why = kind or "", (key or "").strip().lower(), who, why
        self.unreadable = 0
        """How many lines can't be read. Known once all have been."""
        self.read = self.fitting = 0
        """How many lines there are, and how many of them fit. Known once all have been read."""
        self.earlier = 0
        """How many lines come before the newest that were asked for. Known once all have been read."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for entry in self._entries:
            self.read += 1
            if entry is None:
                self.unreadable += 1
            elif self._fits(entry):
                self.fitting += 1
                yield entry

    def newest(self, limit: int) -> Iterator[dict[str, Any]]:
        """The last `limit` lines, oldest first."""
        kept: deque[dict[str, Any]] = deque(maxlen=limit)
        found = 0
        for entry in self:
            kept.append(entry)
            found += 1
        self.earlier = found - len(kept)
        yield from kept

    def _fits(self, entry: Mapping[str, Any]) -> bool:
        return (
            str(entry.get("kind", "")).startswith(self._kind)
            and _is_about(str(entry.get("key", "")), self._key)
            and str(entry.get("at", "")) >= self._since
            and has_part(str(entry.get("who", "")), self._who)
            and (has_part(str(entry.get("reason", "")), self._why) or has_part(str(entry.get("words", "")), self._why))
        )


def _is_about(key: str, typed: str) -> bool:
    """Whether what was typed is this key, or a beginning of it. The number of a look-alike may follow the beginning."""
    stem, _, number = key.partition("-")
    beginning, hyphen, wanted = typed.partition("-")
    is_beginning = stem.startswith(beginning) and beginning != stem
    return typed in ("", key) or (is_beginning and (not hyphen or wanted == number))


def _folder(context: Context) -> TrailFiles:
    with unavailable():
        return TrailFiles(context.settings.state.dir / "audit")


class _Empty:
    """In the place of a journal that isn't there."""

    def heads(self) -> Mapping[str, Anchor]:
        return {}


@contextmanager
def _journal(context: Context) -> Iterator[Database | None]:
    """The journal as it is, of whatever schema; None if there is none."""
    journal = context.parts.journal
    if not journal.exists:
        yield None
    elif journal.path is None:
        yield _of_this_account(journal.database, context)
    else:
        with closing(readable(journal.path)) as database:
            yield _of_this_account(database, context)


def _of_this_account(database: Database, context: Context) -> Database | None:
    if not has_facts(database):
        return None
    Facts(database).refuse_others(context.settings.account.address)
    return database


def _testimony(state_dir: Path) -> Testimony | None:
    """What the login's witness saw; None if there is none, or it can't be relied on here, as in a copy."""
    with suppress(Untrusted):
        return Witness(state_dir).read()
    return None


def _is_behind(journal: Database | None, seen: Testimony) -> bool:
    if journal is None:
        return seen.number > 0
    return is_current(journal) and is_behind(AttemptLedger(journal).history(), seen)


def _is_read_only(folder: Path) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY) or not folder.stat().st_mode & 0o222
    except FileNotFoundError:
        return False
