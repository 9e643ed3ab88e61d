"""The trail's files: their names and order, how they are written to the disk, and the key beside them."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from worker.journal.anchors import Head
from worker.observe.audit.lines import LONGEST_LINE, MARK, TAIL, mac_of, number_of, sealed_part
from worker.private_files import owned


def chain_name(replica: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", replica).lstrip(".")[:80] or "replica"
    # Two replicas must not share a chain because their names were tidied alike.
    return name if name == replica else f"{name}-{hashlib.sha256(replica.encode()).hexdigest()[:8]}"


def chain_files(directory: Path) -> Iterable[tuple[str, Path]]:
    for file in directory.glob("*.jsonl"):
        yield file.name.removesuffix(".jsonl").partition("~")[0], file


def age(file: Path) -> tuple[bool, str]:
    return "~" not in file.name, file.name  # the current one last


def order(item: tuple[str, Path]) -> tuple[str, bool, str]:
    return item[0], *age(item[1])


def identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size


def cut_torn(file: Path) -> int:
    """Cut half a line off the end; the bytes cut."""
    try:
        with file.open("r+b") as opened:
            size = opened.seek(0, os.SEEK_END)
            start = max(0, size - LONGEST_LINE)
            opened.seek(start)
            tail = opened.read()
            whole = start + tail.rfind(b"\n") + 1
            if whole < size:
                opened.truncate(whole)
            return size - whole
    except FileNotFoundError:
        return 0


def last_head(file: Path) -> Head | None:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - LONGEST_LINE))
            lines = opened.read().splitlines(keepends=True)
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        if (body := sealed_part(line)) is not None:
            return Head(number_of(body), mac_of(line))
    return None


def holds(file: Path, head: Head) -> bool:
    """Whether the file has this very line. It is most often near the end."""
    begin, end = b'{"n":%d,' % head.count, MARK + head.mac.encode() + TAIL
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            for start in (max(0, size - LONGEST_LINE), 0):
                opened.seek(start)
                if any(line.startswith(begin) and line.endswith(end) for line in opened):
                    return True
    except FileNotFoundError:
        pass
    return False


def write_all(descriptor: int, data: bytes) -> None:
    start = os.fstat(descriptor).st_size
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, start)  # a full disk leaves no half line
        raise


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_key(file: Path) -> tuple[bytes, bool]:
    """The key, and whether it was made just now."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        # A volume's owner may have been changed by whoever mounted it: ours alone again, where we may.
        if file.stat().st_uid == os.getuid():
            file.chmod(0o600)
        key = bytes.fromhex(file.read_text())
        if len(key) != 32:
            raise ValueError("not 32 bytes") from None
        return key, False
    key = secrets.token_bytes(32)
    with os.fdopen(owned(descriptor, file.parent), "w") as opened:
        opened.write(key.hex())
        opened.flush()
        os.fsync(opened.fileno())
    return key, True
