"""The folder that holds the trail: its key, its lock, and the files of every chain."""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from worker.observe.audit.lines import LONGEST_LINE, sealed_part
from worker.observe.audit.trail_witness import Seen, TrailWitness
from worker.private_files import (
    KEY_BYTES,
    as_key,
    create,
    keep_private,
    owned,
    owned_folder,
    sync,
    write_once,
    written_whole,
)

_KEY, _LOCK, _FILES = "audit.key", "audit.lock", "*.jsonl"
_KEYED: Final = "sealed-heads "
"""What the key's file begins with, unless an earlier version made it. Cut off or shifted, it makes another key."""
_AT_ONCE = 1 << 20


class TrailFiles:
    """The folder as it is, to be read. Nothing in it is made or changed, so it may lie on a read-only file system.

    key: empty if the folder has none. keyed: heads count only if they were sealed with the key, and there is a witness.

    Raises (on creation):
        OSError: the key can't be read.
        ValueError: the key's file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.key, self.keyed = _read_key(path / _KEY)
        except FileNotFoundError:
            self.key, self.keyed = b"", False
        self.witness = TrailWitness(path, self.key)

    def chains(self) -> set[str]:
        """The chains of which there is a file."""
        return {_chain_of(file) for file in self._files()}

    def files(self, chain: str) -> list[Path]:
        """The chain's files, the oldest first; the current one is the last."""
        return sorted((file for file in self._files() if _chain_of(file) == chain), key=_age)

    def lines(self, file: Path) -> Iterator[bytes]:
        """The file's lines. What is too long for a line comes in pieces.

        Raises:
            NotAFile: a link, a folder or a pipe lies there.
            OSError: it can't be read.
        """
        with regular(file) as opened:
            yield from _pieces(opened)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every readable line, one chain after another, oldest first, without its hash."""
        return (entry for entry in self.parsed() if entry is not None)

    def parsed(self) -> Iterator[dict[str, Any] | None]:
        """Every line, one chain after another, oldest first, without its hash. None: it can't be read as a line.

        Others may write meanwhile: they wait only while the files are opened.
        """
        with ExitStack() as opened:
            files = list[BinaryIO | None]()
            with self.locked_to_read():
                for file in (file for chain in sorted(self.chains()) for file in self.files(chain)):
                    try:
                        files.append(opened.enter_context(regular(file)))
                    except NotAFile:
                        files.append(None)
            for each in files:
                yield from _entries(each) if each else [None]

    @contextmanager
    def locked_to_read(self) -> Iterator[None]:
        """No other process writes the folder meanwhile. Makes no lock: without one, nobody has ever written."""
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def _files(self) -> Iterator[Path]:
        return iter(self.path.glob(_FILES))


class TrailFolder(TrailFiles):
    """The folder and its key, to be written; both are made if need be. `key_is_new`: no key was there.

    Raises (on creation):
        OSError: the folder or the key can't be made or read.
        ValueError: the key's file holds something else.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        owned_folder(path)
        self.key_is_new = not (path / _KEY).exists() and _make_key(path)
        if (path / _KEY).stat().st_uid == os.getuid():  # whoever mounted the volume may have changed its owner
            keep_private(path / _KEY)
        super().__init__(path)

    def look_again(self) -> None:
        """Another process may have marked the key meanwhile."""
        self.keyed = self.keyed or _read_key(self.path / _KEY)[1]

    def mark_keyed(self) -> None:
        """From now on heads count only if they are sealed, and a witness must be there.

        The key itself says so, because whoever hasn't the key can take anything else away.
        """
        with written_whole(self.path / _KEY) as file:
            file.write((_KEYED + self.key.hex()).encode())
        sync(self.path)
        self.keyed = True

    def current(self, chain: str) -> Path:
        """The file to which the chain's next line goes."""
        return self.path / f"{chain}.jsonl"

    def rotate(self, chain: str, last: int) -> None:
        """Put the chain's current file aside. last: the number of its last line."""
        self.current(chain).rename(self.path / f"{chain}~{last:012d}.jsonl")

    @contextmanager
    def locked_to_write(self) -> Iterator[None]:
        """No other process reads or writes the folder meanwhile."""
        with _locked_to_write(self.path):
            yield


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(2 * LONGEST_LINE), b"")


def _entries(file: BinaryIO) -> Iterator[dict[str, Any] | None]:
    for line in _pieces(file):
        body = sealed_part(line)
        if body is not None:
            yield orjson.loads(body + b"}")
        elif line.endswith(b"\n") or len(line) > LONGEST_LINE:  # else somebody is writing it, or was stopped
            yield None


def copy_trail(source: Path, target: Path) -> None:
    """Copy a trail's key and chains to a new folder, as they are at one moment. Writes nothing to the source.

    Others may write the trail meanwhile: they wait only while its files are opened. Without a trail, `target` isn't
    made.

    Raises:
        OSError: a file can't be read or written.
        ValueError: the key's file holds something else.
    """
    if not source.is_dir():
        return
    target.mkdir(mode=0o700)
    owned_folder(target)
    with ExitStack() as opened:
        trail = TrailFiles(source)
        with trail.locked_to_read():
            files = [opened.enter_context(regular(file)) for file in sorted(source.glob(_FILES))]
            sizes = [os.fstat(file.fileno()).st_size for file in files]
            stated = trail.witness.read()
        for file, size in zip(files, sizes, strict=True):
            _copy(file, size, target / Path(file.name).name)
    if not trail.key:
        return
    if stated is not None and not stated.copied:  # else it is missing in the copy too: what it saw is in doubt
        TrailWitness(target, trail.key).write({chain: Seen(one.head) for chain, one in stated.seen.items()})
    write_once(target / _KEY, (_KEYED if trail.keyed else "") + trail.key.hex())


class NotAFile(OSError):
    """A link, a folder or a pipe lies where a file of the trail should be."""


def regular(path: Path) -> BinaryIO:
    """Open a file. Refuses a link, because root may be made to read another file through it.

    Raises:
        NotAFile
        OSError: it can't be read.
    """
    try:
        file = open(path, "rb", opener=_no_link)  # noqa: SIM115 -- Path.open has no opener; the caller closes it
    except IsADirectoryError as error:
        raise NotAFile(f"{path.name} isn't a file") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotAFile(f"{path.name} is a link") from error
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotAFile(f"{path.name} isn't a file")
    return file


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _copy(file: BinaryIO, size: int, target: Path) -> None:
    with os.fdopen(create(target), "wb") as copy:
        while size and (part := file.read(min(size, _AT_ONCE))):
            copy.write(part)
            size -= len(part)


def _chain_of(file: Path) -> str:
    return file.name.removesuffix(".jsonl").partition("~")[0]


def _age(file: Path) -> tuple[bool, str]:
    return "~" not in file.name, file.name  # the current one last


@contextmanager
def _locked_to_write(path: Path) -> Iterator[None]:
    descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(owned(descriptor, path), fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_key(path: Path) -> bool:
    """Make the first witness and then the key, so that a key without a witness means that the witness was taken away.

    Returns False if another process was quicker.
    """
    with _locked_to_write(path):
        if (path / _KEY).exists():
            return False
        key = secrets.token_bytes(KEY_BYTES)
        TrailWitness(path, key).write({})
        sync(path)
        return write_once(path / _KEY, _KEYED + key.hex())


def _read_key(file: Path) -> tuple[bytes, bool]:
    """The key, and whether it asks for sealed heads and a witness."""
    try:
        text = file.read_text("ascii")
    except ValueError:
        text = ""  # refused below, so that an error that quotes the content isn't its context
    return as_key(text.removeprefix(_KEYED)), text.startswith(_KEYED)
