"""`archive`: every message as files in a folder of its own.

    KEY/message.eml       the message, byte for byte as fetched
    KEY/attachments/…     its attachments, under their safe names
    KEY/message.json      what is known of it: the mark that the folder is whole

A message is staged under `.partial/KEY`; `flush` then puts a whole batch in its place: first all data onto the disk,
then one rename a message, then the renames onto the disk. So what stands under KEY is whole, even after a power cut,
and no single message waits for the disk. The same message always comes to the same folder, and a folder that is there
is left as it is.
"""

import ctypes
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator

from worker.message import Attachment, Message, kind_by_headers, notices_by_headers, protection_by_headers

_FOLDER_MODE = 0o750  # the mail of patients: never for everybody, whatever the umask
_FILE_MODE = 0o640
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_FORGOTTEN = 86_400  # seconds
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


class Archive:
    """Writes each message below a folder, once. Any number of threads may call it."""

    class Settings(BaseModel):
        """The table `[handler.archive]`."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        url: str = Field(description="Where to: `file://` and the absolute path of a folder, made if it isn't there.")
        attachments: bool = Field(
            default=True,
            description="Write attachments as files, too. Without them no message needs to be parsed: `message.json` "
            "says what the headers alone tell, and its `attachments` is null.",
        )

        @field_validator("url")
        @classmethod
        def _is_file(cls, url: str) -> str:
            parts = urlsplit(url)
            if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
                raise ValueError("must be file:// and the absolute path of a folder, such as file:///var/lib/archive")
            if parts.query or parts.fragment:
                raise ValueError("takes no '?' and no '#'; write %3F and %23 where the path has them")
            return url

    def __init__(self, settings: Settings) -> None:
        """Make the folder, and clear what tries that ended halfway left long ago. Raises OSError."""
        self._with_attachments = settings.attachments
        self._root = Path(unquote(urlsplit(settings.url).path))
        self._partial = self._root / ".partial"
        self._root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._partial.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        self._lock = threading.Lock()
        self._staged: dict[str, None] = {}  # in the order of their coming
        self._unsynced = False
        _clear(self._partial)

    def __call__(self, message: Message) -> None:
        """Stage the message; it is in its place once `flush` has returned.

        Raises:
            OSError: the disk is full, or can't be written; another try may succeed.
            MessageError: its attachments can't be had (only where they are wanted).
        """
        key = str(message.key)
        if not _KEY.fullmatch(key):
            raise ValueError("the key can't be the name of a folder")
        if key in self._staged:
            return
        if self._is_whole(key):
            self._unsynced = True  # a process that died may have put it there before it was on the disk
            return
        self._stage(key, message)
        with self._lock:
            self._staged[key] = None

    def flush(self) -> None:
        """Put everything staged in its place. Once this returns, all of it is on the disk.

        Raises OSError; then the messages since the last flush are to be handled again, which is safe.
        """
        with self._lock:
            staged, self._staged = self._staged, {}
            unsynced, self._unsynced = self._unsynced, False
        if not (staged or unsynced):
            return
        try:
            if staged:
                _sync_file_system(self._root)
            for key in staged:
                self._place(key)
            _sync_folder(self._partial)
            _sync_folder(self._root)
        except OSError:
            self._unsynced = True
            raise

    def close(self) -> None:
        """Flush what is left."""
        self.flush()

    def _is_whole(self, key: str) -> bool:
        return (self._root / key / "message.json").exists()

    def _stage(self, key: str, message: Message) -> None:
        # All that may fail for the message's sake comes first, so that nothing is left behind.
        description = _describe(message) if self._with_attachments else _describe_by_headers(message)
        attachments = message.attachments if self._with_attachments else ()
        folder = self._partial / key
        _make_empty(folder)
        try:
            _write(folder / "message.eml", message.raw)
            if attachments:
                (folder / "attachments").mkdir(_FOLDER_MODE)
            for attachment in attachments:
                _write(folder / "attachments" / attachment.safe_filename, attachment.read())
            _write(folder / "message.json", orjson.dumps(description, option=orjson.OPT_INDENT_2))
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)  # on a full disk every byte counts
            raise

    def _place(self, key: str) -> None:
        staged, place = self._partial / key, self._root / key
        try:
            staged.rename(place)
        except OSError:
            if not staged.is_dir():
                raise
            if self._is_whole(key):  # another worker was quicker, with the same message
                shutil.rmtree(staged)
            else:  # the remains of a folder that somebody emptied
                shutil.rmtree(place)
                staged.rename(place)


def _describe(message: Message) -> dict[str, Any]:
    return _fields(message, message.kind, message.notices, message.protection) | {
        "attachments": [_describe_attachment(attachment) for attachment in message.attachments]
    }


def _describe_by_headers(message: Message) -> dict[str, Any]:
    """The same without parsing: kind, notices and protection as far as the headers tell; attachments not looked at."""
    headers = message.headers
    kind, notices = kind_by_headers(headers), notices_by_headers(headers)
    return _fields(message, kind, notices, protection_by_headers(headers)) | {"attachments": None}


def _fields(message: Message, kind: str, notices: tuple[str, ...], protection: str | None) -> dict[str, Any]:
    return {
        "key": message.key,
        "sha256": message.sha256,
        "size": message.size,
        "folder": message.folder,
        "path": message.path,
        "evidence": message.evidence,
        "received_at": message.received_at,
        "message_id": message.message_id,
        "date": message.date.isoformat() if message.date else None,
        "from": message.sender,
        "to": message.to,
        "cc": message.cc,
        "subject": message.subject,
        "kind": kind,
        "notices": notices,
        "protection": protection,
    }


def _describe_attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "file": f"attachments/{attachment.safe_filename}",
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "detected_type": attachment.detected_type,
        "size": attachment.size,
        "inline": attachment.inline,
        "container": attachment.container,
    }


def _clear(partial: Path) -> None:
    """Remove what lies staged for a day: tried, then settled without us. What is newer may be another worker's."""
    for entry in os.scandir(partial):
        if entry.stat(follow_symlinks=False).st_mtime < time.time() - _FORGOTTEN:
            shutil.rmtree(entry.path, ignore_errors=True)


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(_FOLDER_MODE)
    except FileExistsError:  # from a try that ended halfway
        shutil.rmtree(folder)
        folder.mkdir(_FOLDER_MODE)


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, _WRITE, _FILE_MODE)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
    finally:
        os.close(file)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sync_file_system(path: Path) -> None:
    """Wait until all that was written to the file system of `path` is on the disk: one wait for a whole batch.

    Eight times as fast as waiting for each file of 2,000 messages (0.12 s against 0.96 s for 211 MB).
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
        return
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(folder) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(folder)
