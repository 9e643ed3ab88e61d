"""The folder that holds the trail: its key, its lock, and the files of every chain."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from worker.observe.audit.lines import sealed_part
from worker.private_files import KEY_BYTES, keep_private, owned, owned_folder, read_key, write_once


class TrailFolder:
    """The folder and its key; both are made if need be. `key_is_new`: no key was there.

    Raises (on creation):
        OSError: the folder or the key can't be made or read.
        ValueError: the key's file holds something else.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        owned_folder(path)
        self.path = path
        self.key, self.key_is_new = _load_key(path / "audit.key")

    def current(self, chain: str) -> Path:
        """The file to which the chain's next line goes."""
        return self.path / f"{chain}.jsonl"

    def rotate(self, chain: str, last: int) -> None:
        """Put the chain's current file aside. last: the number of its last line."""
        self.current(chain).rename(self.path / f"{chain}~{last:012d}.jsonl")

    def chains(self) -> set[str]:
        """The chains of which there is a file."""
        return {_chain_of(file) for file in self._files()}

    def files(self, chain: str) -> list[Path]:
        """The chain's files, the oldest first; the current one is the last."""
        return sorted((file for file in self._files() if _chain_of(file) == chain), key=_age)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every readable line, one chain after another, oldest first, without its hash."""
        for chain in sorted(self.chains()):
            for file in self.files(chain):
                with file.open("rb") as lines:
                    for line in lines:
                        if (body := sealed_part(line)) is not None:
                            yield orjson.loads(body + b"}")

    @contextmanager
    def locked_to_write(self) -> Iterator[None]:
        """No other process reads or writes the folder meanwhile."""
        with self._locked(fcntl.LOCK_EX):
            yield

    @contextmanager
    def locked_to_read(self) -> Iterator[None]:
        """No other process writes the folder meanwhile."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(self.path / "audit.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(owned(descriptor, self.path), how)
            yield
        finally:
            os.close(descriptor)

    def _files(self) -> Iterator[Path]:
        return iter(self.path.glob("*.jsonl"))


def _chain_of(file: Path) -> str:
    return file.name.removesuffix(".jsonl").partition("~")[0]


def _age(file: Path) -> tuple[bool, str]:
    return "~" not in file.name, file.name  # the current one last


def _load_key(file: Path) -> tuple[bytes, bool]:
    """The key, and whether it was made just now."""
    is_new = write_once(file, secrets.token_hex(KEY_BYTES))
    if file.stat().st_uid == os.getuid():  # whoever mounted the volume may have changed its owner
        keep_private(file)
    return read_key(file), is_new
