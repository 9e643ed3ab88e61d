"""Reading and writing a single file of the trail."""

import os
from pathlib import Path

from worker.journal.audit_anchors import Head
from worker.observe.audit.lines import LONGEST_LINE, MARK, TAIL, mac_of, number_of, sealed_part


def inode_and_size(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size


def cut_torn(file: Path) -> int:
    """Cut half a line off the end. Returns how many bytes were cut."""
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
    """Whether the file contains this very line. Looks near its end first, where it most often is."""
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
        os.ftruncate(descriptor, start)  # leave no half line on a full disk
        raise
