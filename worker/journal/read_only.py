"""Opens the journal's file for reading, even where nothing can be written.

To read the write-ahead log beside the file, SQLite needs an index file, which it may have to create. It can't in a
read-only folder or on a full disk. But then no process is using the journal, because that process would have created
the index.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import inspect
from sqlalchemy.engine import URL

from worker.journal.database import Database, JournalDamaged, JournalUnavailable
from worker.journal.schema import delivery, fact, message

LARGE = 50_000_000
"""Bytes of a file that takes too long to check for everyone who asks how the worker is. A start checks all of it."""
_GROWING = (message.name, delivery.name)
"""Tables of such a file that are not checked as a whole. If a row is damaged, whoever reads it is told."""

MEMORY = "/dev/shm"  # noqa: S108 -- our copy goes into a new folder there, if the temporary folder has no room for it


def readable(path: Path) -> Database:
    """The journal in this file, complete and as it is. Creates and upgrades nothing in it.

    Raises:
        JournalUnavailable: it can't be read.
        JournalDamaged: it is damaged.
    """
    first: JournalUnavailable | None = None
    without = _GROWING if _size(path) > LARGE else ()
    for database in _ways(path):
        try:
            database.check_whole(without=without)
        except JournalDamaged:
            database.close()
            raise
        except JournalUnavailable as error:
            database.close()
            first = first or error
        else:
            return database
    raise first or JournalUnavailable("it can't be read")


def has_facts(database: Database) -> bool:
    """Whether there is a journal in this database at all, of whatever schema."""
    with database.read() as connection:
        return inspect(connection).has_table(fact.name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _ways(path: Path) -> Iterator[Database]:
    """Ways to open it: the file as usual; if it has no log, the file without an index; a copy of file and log."""
    yield Database(_url(path, mode="ro"), reading=True)
    log = path.with_name(f"{path.name}-wal")
    with suppress(OSError):
        if not log.exists() or log.stat().st_size == 0:
            yield Database(_url(path, immutable="1"), reading=True)
    for folder in (None, MEMORY):
        with suppress(OSError):
            yield _Copy([path, log], folder)


def _url(path: Path, **query: str) -> URL:
    return URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query={**query, "uri": "true"})


class _Copy(Database):
    """A private copy of the files, of which the first is the database. `close` deletes it."""

    def __init__(self, paths: list[Path], folder: str | None) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=folder, prefix="nhsmail-journal-")
        try:
            for path in paths:
                with suppress(FileNotFoundError):
                    shutil.copyfile(path, Path(self._folder.name) / path.name)
        except OSError:
            self._folder.cleanup()
            raise
        super().__init__(_url(Path(self._folder.name) / paths[0].name), reading=True)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()
