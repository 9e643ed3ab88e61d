"""`archive`: writes every message as files in a folder of its own.

    KEY/message.eml       the message, byte for byte as fetched
    KEY/attachments/…     its attachments, under their safe names
    KEY/message.json      the metadata, which also marks the folder as complete

A message is staged under `.partial/KEY`. The syncs of its files and folders to the disk begin at once, and run while
others are staged. `flush` then puts a whole batch in place: it waits for the syncs, renames each message's folder, and
syncs the renames. So a folder at KEY is complete even after a power cut, and no message has to wait for the disk on its
own. If a sync fails, the message is written anew, because the system has dropped what it couldn't write.

The same message always gets the same folder, and an existing folder isn't changed: if it holds other content, the
message becomes a dead letter. What a person has handled again lies in `KEY.1`, `KEY.2`, … beside it, each complete.

On an object store (S3, Azure Blob Storage, Google Cloud Storage) the same objects are written in the same order. Each
is durable by itself, so `message.json` marks the message as complete there too.
"""

import errno
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from handlers.archive_removal import FolderCopies, StoreCopies
from handlers.archive_sync import FOLDER, FilesOfOne, FileSyncs, make_folder, sync_folder
from worker import KeyTaken, Look, Message, OldCopies, RemovedCopies, as_json, describe
from worker.connections import Proxy
from worker.objects import SCHEMES, Objects, ObjectsRefused, checked

_FOLDER_MODE = 0o750  # patients' mail: never readable by everybody, whatever the umask
_FILE_MODE = 0o640
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_FORGOTTEN = 86_400  # seconds
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}(?:\.[0-9]{1,6})?")


class Archive:
    """Writes each message, once, as files in a folder of its own, or as objects in an object store.

    Thread-safe.
    """

    # The folder is away or closed to us: no name in it is a message's own choice.
    outages = (FileNotFoundError, NotADirectoryError, PermissionError, ObjectsRefused)

    class Settings(BaseModel):
        """The table `[handler.archive]`."""

        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

        url: str = Field(
            description="Where to: `file://` and the absolute path of a folder, made if it isn't there; or a "
            "folder on an object store: `s3://bucket/folder`, `az://container/folder`, `gs://bucket/folder`.",
            examples=["file:///var/lib/nhsmail-worker/archive"],
        )
        attachments: bool = Field(
            default=True,
            description="Write attachments as files, too. Without them no message needs to be parsed: `message.json` "
            "says what the headers alone tell, and its `attachments` is null.",
        )
        options: dict[str, str] = Field(
            default_factory=dict,
            description="The object store's own options, such as `region`, `endpoint` and `access_key_id` for S3, and "
            "`account_name` for Azure. Without `secret` the store's usual sources are tried: environment variables, "
            "the machine's identity.",
        )
        secret: SecretStr | None = Field(
            default=None,
            description="S3's secret access key, Azure's account key, Google's service account key in JSON.",
        )
        ca_file: Path | None = Field(default=None, description="A PEM file with the object store's private CA.")
        timeout: timedelta = Field(
            default=timedelta(minutes=1), gt=timedelta(0), description="How long each object may take (object stores)."
        )

        remove_after: timedelta | None = Field(
            default=None,
            ge=timedelta(days=1),
            le=timedelta(days=36_500),
            description="Remove messages that the server received, and that were archived, longer ago than this, a few "
            "each hour; at least a day. Unset: never.",
            json_schema_extra={"shown_default": "never"},
        )

        @field_validator("url")
        @classmethod
        def _is_file(cls, url: str) -> str:
            parts = urlsplit(url)
            if parts.scheme in SCHEMES:
                return checked(url, {})
            if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
                raise ValueError("must be file:// and the absolute path of a folder, such as file:///var/lib/archive")
            if parts.query or parts.fragment:
                raise ValueError("takes no '?' and no '#'; write %3F and %23 where the path has them")
            return url

        @model_validator(mode="after")
        def _belongs_together(self) -> "Archive.Settings":
            if urlsplit(self.url).scheme in SCHEMES:
                checked(self.url, self.options)
            elif self.options or self.secret is not None or self.ca_file is not None:
                raise ValueError("options, secret and ca_file are for object stores: a folder has none")
            return self

    @staticmethod
    def scratch(settings: Settings, folder: Path) -> Settings:
        """The settings with which `handler try` writes below this folder, in place of the archive."""
        return settings.model_copy(
            update={"url": f"file://{quote(str(folder))}", "options": {}, "secret": None, "ca_file": None}
        )

    def __init__(self, settings: Settings, *, proxy: Proxy | None = None) -> None:
        """Create the folder, and remove old remains of unfinished tries.

        Raises:
            OSError: the folder can't be created or read.
            ValueError, ImportError: the object store can't be set up.
        """
        self._with_attachments = settings.attachments
        self._lock = threading.Lock()
        self._staged: dict[str, list[Future[None]]] = {}
        """The syncs of each staged message, in the order of arrival."""
        self._unsynced = False
        self._syncs = FileSyncs()
        self._objects = _objects(settings, proxy)
        self._copies: FolderCopies | StoreCopies
        if self._objects is not None:
            self._copies = StoreCopies(self._objects)
            return
        self._root = Path(unquote(urlsplit(settings.url).path))
        self._partial = self._root / ".partial"
        make_folder(self._root, _FOLDER_MODE)
        self._partial.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        self._copies = FolderCopies(self._root)
        _clear(self._partial)

    def __call__(self, message: Message) -> None:
        """Stage the message. It is in place once `flush` has returned.

        Raises:
            OSError: the disk is full or can't be written. Another try may succeed.
            Retry: the object store can't take the message now. ObjectsRefused: it refuses us.
            MessageError: the attachments can't be read (only with `attachments`).
            KeyTaken: other content is archived under the message's key.
        """
        key = message.delivery_key
        if not _KEY.fullmatch(key):
            raise ValueError("the key can't be the name of a folder")
        if self._objects is not None:
            self._put(self._objects, key, message)
            return
        if key in self._staged:
            _refuse_other(self._partial / key, message)
            return
        if self._is_whole(key):
            _refuse_other(self._root / key, message)
            self._unsynced = True  # a process may have put it there and died before syncing it
            return
        syncs = self._stage(key, message)
        with self._lock:
            self._staged[key] = syncs

    def flush(self) -> None:
        """Put everything that is staged in place. When this returns, all of it is on disk.

        Raises OSError. Then the messages since the last flush must be handled again, which is safe.
        """
        with self._lock:
            staged, self._staged = self._staged, {}
            unsynced, self._unsynced = self._unsynced, False
        if not (staged or unsynced):
            return
        try:
            if staged:
                _wait_for(chain.from_iterable(staged.values()))
            for key in staged:
                self._place(key)
            sync_folder(self._partial)
            sync_folder(self._root)
        except OSError:
            self._unsynced = True
            raise

    def close(self) -> None:
        """Flush what is still staged."""
        try:
            self.flush()
        finally:
            self._syncs.close()

    def old_copies(self, look: Look) -> OldCopies:
        """What is old enough to be removed. Raises OSError, Retry, ObjectsRefused."""
        return self._copies.old_copies(look)

    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies:
        """Remove these copies, if they are older than `before`. Raises OSError, Retry, ObjectsRefused."""
        return self._copies.remove_copies(names, before)

    def _is_whole(self, key: str) -> bool:
        return (self._root / key / "message.json").exists()

    def _stage(self, key: str, message: Message) -> list[Future[None]]:
        """Write the message, and begin to sync it. Returns the syncs."""
        # First everything that can fail because of the message, so that such a failure leaves nothing behind.
        description = self._description(message)
        attachments = message.attachments if self._with_attachments else ()
        folder = self._partial / key
        _make_empty(folder)
        files = FilesOfOne(self._syncs)
        try:
            files.add(_write(f"{folder}/message.eml", message.raw))
            if attachments:
                (folder / "attachments").mkdir(_FOLDER_MODE)
                for attachment in attachments:
                    files.add(_write(f"{folder}/attachments/{attachment.safe_filename}", attachment.read()))
                files.add(os.open(folder / "attachments", FOLDER))
            files.add(_write(f"{folder}/message.json", description))
            files.add(os.open(folder, FOLDER))
            return files.begun()
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)  # the disk may be full: free the space
            raise
        finally:
            files.drop()

    def _description(self, message: Message) -> bytes:
        return as_json(describe(message, attachments=self._with_attachments), indent=True)

    def _put(self, objects: Objects, key: str, message: Message) -> None:
        mark = f"{key}/message.json"
        if objects.has(mark):
            same = _sha256(objects.get(mark)) == message.sha256
            if not same and not message.has_content_of(objects.get(f"{key}/message.eml")):
                raise _taken()
            return
        description = self._description(message)
        objects.put(f"{key}/message.eml", message.raw)
        for attachment in message.attachments if self._with_attachments else ():
            objects.put(f"{key}/attachments/{attachment.safe_filename}", attachment.read())
        objects.put(mark, description)

    def _place(self, key: str) -> None:
        staged, place = self._partial / key, self._root / key
        try:
            staged.rename(place)
        except OSError:
            if not staged.is_dir():
                raise
            if self._is_whole(key):  # by another worker meanwhile; if it isn't the same, the next try says so
                _see_that_it_is_the_same(staged, place)
                shutil.rmtree(staged)
            else:  # an incomplete folder: somebody has removed files from it
                shutil.rmtree(place)
                staged.rename(place)


def _refuse_other(folder: Path, message: Message) -> None:
    """Raise KeyTaken if this complete folder holds other content."""
    if _sha256((folder / "message.json").read_bytes()) == message.sha256:
        return
    try:
        there = (folder / "message.eml").read_bytes()
    except FileNotFoundError:  # somebody has removed it
        raise _taken() from None
    if not message.has_content_of(there):
        raise _taken()


def _see_that_it_is_the_same(staged: Path, place: Path) -> None:
    """Raise OSError if the two folders don't hold the same bytes, so that this batch is handled again."""
    if _sha256((staged / "message.json").read_bytes()) != _sha256((place / "message.json").read_bytes()):
        shutil.rmtree(staged)
        raise FileExistsError(errno.EEXIST, "another worker has archived something under the same key")


def _sha256(description: bytes) -> object:
    """What a `message.json` says; None if it says nothing."""
    try:
        told = json.loads(description)
    except ValueError:
        return None
    return told.get("sha256") if isinstance(told, dict) else None


def _taken() -> KeyTaken:
    return KeyTaken("other content is archived under this key")


def _objects(settings: Archive.Settings, proxy: Proxy | None) -> Objects | None:
    if urlsplit(settings.url).scheme not in SCHEMES:
        return None
    secret = settings.secret.get_secret_value() if settings.secret else None
    return Objects(
        settings.url, settings.options, secret, timeout=settings.timeout, ca_file=settings.ca_file, proxy=proxy
    )


def _clear(partial: Path) -> None:
    """Remove what has been staged for a day, which nobody will finish. Newer files may be another worker's."""
    for entry in os.scandir(partial):
        if entry.stat(follow_symlinks=False).st_mtime < time.time() - _FORGOTTEN:
            shutil.rmtree(entry.path, ignore_errors=True)


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(_FOLDER_MODE)
    except FileExistsError:  # left by an unfinished try
        shutil.rmtree(folder)
        folder.mkdir(_FOLDER_MODE)


def _write(path: str, data: bytes) -> int:
    """Write a file, and leave it open. Returns it."""
    file = os.open(path, _WRITE, _FILE_MODE)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
    except BaseException:
        os.close(file)
        raise
    return file


def _wait_for(syncs: Iterable[Future[None]]) -> None:
    """Wait until all of this is on the disk. Raises the OSError of the first sync that failed."""
    for sync in syncs:
        sync.result()
