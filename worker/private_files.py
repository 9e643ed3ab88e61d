"""Files that only we may read: written atomically, never open to others, and owned by the owner of their folder.

Ownership matters because a person may run a command as root beside a worker that isn't root. If root made a file for
itself alone, the worker could neither read nor write it, and would come to a standstill.
"""

import errno
import fcntl
import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Literal

# -- ownership ---------------------------------------------------------------------------------------------------------


def owned(descriptor: int, folder: Path) -> int:
    """Give an open file to the owner of its folder, if we are root. Returns the descriptor.

    Files with a second name stay root's, because the folder's owner could have placed a link to another file there.
    Files that don't belong to root stay as they are.
    """
    if os.geteuid() == 0:
        with suppress(OSError):  # root without that right, as in a container: the file stays root's
            file, owner = os.fstat(descriptor), folder.stat()
            if file.st_uid == 0 and (stat.S_ISDIR(file.st_mode) or file.st_nlink == 1):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def owned_folder(path: Path) -> None:
    """Give a folder to the owner of the folder that it is in, if we are root."""
    if os.geteuid() == 0:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                owned(descriptor, path.parent)
            finally:
                os.close(descriptor)


# -- modes -------------------------------------------------------------------------------------------------------------

FileMode = Literal["private", "group", "any"]
"""Who may read a file that holds a secret: only its owner, the group as well, or anybody."""
_FORBIDDEN: Final[dict[str, int]] = {"private": 0o077, "group": 0o027, "any": 0}
"""The permission bits that each mode forbids. The group may read a secret, but not replace it."""


def is_too_open(mode: int, allowed: str) -> bool:
    """Whether a file's mode gives others more than is allowed. allowed: a `FileMode`."""
    return bool(mode & _FORBIDDEN[allowed])


def keep_private(path: Path) -> None:
    """Make a file 0600 again if others may read or write it, as after a volume was mounted for a group.

    Raises:
        OSError: we may not change it.
    """
    if is_too_open(path.stat().st_mode, "private"):
        path.chmod(0o600)


# -- writing -----------------------------------------------------------------------------------------------------------


def create(path: Path) -> int:
    """Create an empty file, and return its descriptor, open for writing.

    Raises:
        FileExistsError: the name is taken.
    """
    return owned(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), path.parent)


def write_once(path: Path, text: str) -> bool:
    """Create a file atomically, and its folder if need be. It is on the disk when this returns.

    An existing file stays as it is. If several processes try, the first one wins.

    Returns:
        Whether we created it.
    """
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")  # mkstemp makes it 0600
    new = Path(name)
    try:
        with os.fdopen(owned(descriptor, path.parent), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        link_once(new, path)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path, place: Callable[[Path, Path], None] = os.replace) -> Iterator[BinaryIO]:
    """Write a file atomically: the block writes to a new file, which is then synced to the disk and given its name.

    Only one process at a time may do this, because all call the new file `path.new`. place: gives the file its name;
    by default, an existing file is replaced.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = create(new)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(descriptor)
    place(new, path)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Write a folder atomically: the block fills a new one beside it, which is then synced to the disk and renamed.

    Only one process at a time may do this beside `path`, because all call the new folder `PARTIAL`. What a process that
    was killed left there is removed.

    Raises:
        FileExistsError: the name is taken. A folder that has anything in it is never replaced.
    """
    new = path.with_name(PARTIAL)
    if new.exists():
        shutil.rmtree(new)
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    new.mkdir(mode=0o700)
    try:
        owned_folder(new)
        yield new
        for one in (*new.rglob("*"), new):
            sync(one)
        new.rename(path)
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            path.rename(new)  # so that no half of it is ever seen under its name
        with suppress(OSError):
            shutil.rmtree(new)
        raise


PARTIAL: Final = ".partial"
"""The name of a folder that isn't whole yet."""


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_once(new: Path, path: Path) -> None:
    """Give a new file its name, unless the name is taken.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS} or path.exists():
            raise
        new.replace(path)  # a file system without links
    else:
        new.unlink()


# -- identity ----------------------------------------------------------------------------------------------------------

_GENERATION: Final = 0x80087601
"""FS_IOC_GETVERSION (linux/fs.h): reads the inode's generation, where the file system has one."""


def identity(descriptor: int) -> str:
    """What tells an open file from every copy of it: its inode's number and generation."""
    generation = 0
    with suppress(OSError):
        answer = fcntl.ioctl(descriptor, _GENERATION, struct.pack("l", 0))
        generation = struct.unpack("l", answer)[0] & 0xFFFFFFFF
    return f"{os.fstat(descriptor).st_ino}.{generation}"


# -- secrets and keys --------------------------------------------------------------------------------------------------

KEY_BYTES: Final = 32
_LARGEST_SECRET: Final = 64 * 1024
_BYTE_ORDER_MARK: Final = "\ufeff"


class UnfitSecret(ValueError):
    """A file can't serve as a secret. The text says why, to be put after the file's name, and quotes no content."""


class NotAFile(UnfitSecret):
    """It is a folder, a pipe or a device."""

    def __init__(self) -> None:
        super().__init__("isn't a file")


class TooOpen(UnfitSecret):
    """Others may read or write it. mode: its permission bits."""

    def __init__(self, mode: int) -> None:
        super().__init__(f"is open to others (mode {mode:o})")
        self.mode = mode


class TooLarge(UnfitSecret):
    """It is too large for a secret, so it must be another file."""

    def __init__(self) -> None:
        super().__init__("is too large to hold a secret")


class NotText(UnfitSecret):
    """It isn't text in UTF-8."""

    def __init__(self) -> None:
        super().__init__("isn't UTF-8 text")


def read_secret(path: Path, mode: FileMode = "any") -> str:
    """Read a secret, without a byte order mark at the start and one line break at the end.

    mode: who may read the file. It is checked on the open file.

    Raises:
        OSError: it can't be read.
        UnfitSecret
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # don't wait for a pipe
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile
        if is_too_open(status.st_mode, mode):
            raise TooOpen(stat.S_IMODE(status.st_mode))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(_LARGEST_SECRET + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST_SECRET:
        raise TooLarge
    try:
        text = content.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError:
        text = None
    if text is None:  # raised here, so that the decoding error, which quotes the content, isn't its context
        raise NotText
    return text.removesuffix("\n").removesuffix("\r")


def read_key(path: Path) -> bytes:
    """Read a key of `KEY_BYTES` bytes, stored as hexadecimal digits.

    Raises:
        OSError: it can't be read.
        ValueError: it isn't a key.
    """
    try:
        text = path.read_text("ascii")
    except ValueError:
        text = ""  # raised below, so that an error that quotes the content isn't its context
    return as_key(text)


def as_key(text: str) -> bytes:
    """Read a key of `KEY_BYTES` bytes from its hexadecimal digits.

    Raises:
        ValueError: it isn't a key. The text quotes nothing.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""  # raised below, so that an error that quotes the content isn't its context
    if len(key) != KEY_BYTES:
        raise ValueError(f"not a key of {KEY_BYTES} bytes")
    return key
