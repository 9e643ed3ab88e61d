"""Checks of what the settings name on the disk: files with secrets or certificates, and a lasting state folder."""

import os
import re
import ssl
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from worker.private_files import is_too_open
from worker.settings.model import Place, secret_places, twin
from worker.settings.secrets import read_secret
from worker.settings.tree import Settings
from worker.settings.wording import title

_ENOUGH = bytes(65536)
"""Written to a state folder as a test. An empty file wouldn't do: even a full disk has room for one."""

_FORGETFUL = {
    "overlay": "a container's own layer",
    "overlayfs": "a container's own layer",
    "fuse.fuse-overlayfs": "a container's own layer",
    "aufs": "a container's own layer",
    "tmpfs": "memory (tmpfs)",
    "ramfs": "memory (ramfs)",
}


_ANONYMOUS = re.compile(
    r"/volumes/(?:[^/]+/)?[0-9a-f]{64}/_data(?:/|$)"  # Docker, Podman, nerdctl
    r"|\.grpc\.v1\.cri/containers/[^/]+/volumes/"  # containerd, for Kubernetes
    r"|/[a-z]+-containers/[^/]+/userdata/"  # CRI-O
)
"""Where container engines put anonymous volumes. Each container gets a new one."""


def check_files(settings: Settings) -> list[str]:
    """Return faults in the files that settings name: missing, unreadable, open to others, or of the wrong kind."""
    faults: list[str] = []
    mode = settings.account.password_file_mode
    for secret, _ in secret_places():
        place = twin(secret)
        path = _setting(settings, place)
        if path is not None:
            faults += [f"{title(place)}: {fault}" for fault in secret_file_faults(path, mode)]
    account = settings.account
    if account.ca_file is not None:
        faults += [f"{title(('account', 'ca_file'))}: {fault}" for fault in _ca_faults(account.ca_file)]
    for table, named in (("relay", settings.alerts.relay.ca_file), ("submission", settings.alerts.submission.ca_file)):
        if named is not None:
            faults += [f"{title(('alerts', table, 'ca_file'))}: {fault}" for fault in _ca_faults(named)]
    if settings.proxy.ca_file is not None:
        faults += [f"{title(('proxy', 'ca_file'))}: {fault}" for fault in _ca_faults(settings.proxy.ca_file)]
    if account.oauth.certificate_file is not None:
        place = ("account", "oauth", "certificate_file")
        faults += [f"{title(place)}: {fault}" for fault in _certificate_faults(account.oauth.certificate_file, mode)]
    return faults


def secret_file_faults(path: Path, mode: str) -> list[str]:
    """Return what is wrong with a file that holds a secret. mode: who may read it (`private`, `group` or `any`)."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            return [f"{path} isn't a file. Name the file that holds the secret."]
        secret = read_secret(None, path)
    except OSError as error:
        return [f"{path} can't be read ({error.strerror}). Put the secret there, readable by the worker's user."]
    except ValueError as error:  # unfit, or a path with a NUL
        return [f"{path} {error}. It must hold the secret and nothing else."]
    faults = [] if secret and secret.get_secret_value() else [f"{path} is empty. Put the secret there."]
    if is_too_open(state.st_mode, mode):
        faults.append(
            f"{path} has mode {stat.S_IMODE(state.st_mode):04o}, so users other than the worker may read or write "
            f'it. Run chmod 600 on it, or set {title(("account", "password_file_mode"))} = "group" or "any" if it is '
            "a secret mount that can't be private."
        )
    return faults


def check_state_dir(settings: Settings) -> list[str]:
    """Return what is wrong with the state folder: it can't be written, or a restart may empty it."""
    path, name = settings.state.dir, title(("state", "dir"))
    faults = [f"{name}: {fault}" for fault in _unwritable(path)]
    reason = None if settings.state.ephemeral else _forgetful_here(path)
    if reason:
        faults.append(
            f"{name}: {path} is on {reason}, which a restart may empty. Then the count of login attempts would be "
            "lost, and the account could be locked. Mount a volume there, or accept the risk with [state] ephemeral "
            "= true."
        )
    return faults


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo: the mount point, the type, and which folder of that file system is mounted."""

    point: str
    kind: str
    root: str


def parse_mounts(mountinfo: str) -> list[Mount]:
    """Return the mounts of /proc/self/mountinfo (proc_pid_mountinfo(5)) in order, without lines of another form."""
    mounts = []
    for row in mountinfo.splitlines():
        before, _, after = row.partition(" - ")
        fields, kind = before.split(" "), after.split(" ", 1)[0]
        if len(fields) >= 6 and kind:
            mounts.append(Mount(_unescaped(fields[4]), kind, _unescaped(fields[3])))
    return mounts


def forgetful(path: str, mounts: list[Mount], *, in_container: bool) -> str | None:
    """Return which kind of volume a restart may empty the folder lies on; None if it lasts.

    path: absolute, without symbolic links.
    """
    mount = _mount_of(path, mounts)
    if mount is None:
        return None
    if mount.kind in _FORGETFUL:
        return _FORGETFUL[mount.kind]
    if "kubernetes.io~empty-dir" in mount.root:
        return "an emptyDir volume"
    if _ANONYMOUS.search(mount.root):
        return "an anonymous volume, which is new for each container"
    # With Docker on btrfs, ZFS or device mapper, the layer has the type of the disk below it.
    return "a container's own layer" if in_container and mount.point == "/" else None


def _mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """Return the mount that a path is on: the deepest, and of several at one place the last, which hides the others."""
    found = None
    for mount in mounts:
        within = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if within and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _forgetful_here(path: Path) -> str | None:
    try:
        mounts = parse_mounts(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
    except OSError:
        return None  # not Linux, so it is a developer's machine
    in_container = any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
    return forgetful(str(path.resolve()), mounts, in_container=in_container)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _unwritable(path: Path) -> list[str]:
    there = path.absolute()
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
    except OSError as error:
        return [f"{path} can't be read ({error.strerror}). Give the worker's user access to it."]
    if not there.is_dir():
        return [f"{there} is not a folder. Name one that the worker's user can write to."]
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".check-") as file:
            file.write(_ENOUGH)
            file.flush()
            os.fsync(file.fileno())
            return []
    except OSError as error:
        what = "can't be written" if there == path.absolute() else f"doesn't exist, and can't be made in {there}"
        return [f"{path} {what} ({error.strerror}). Let the worker's user write it, on a disk with space."]


def _ca_faults(path: Path) -> list[str]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return [f"{path} holds no certificate. It must be PEM: -----BEGIN CERTIFICATE-----."]
    except OSError as error:
        return [f"{path} can't be read ({error.strerror}). Let the worker's user read it."]
    return []


def _certificate_faults(path: Path, mode: str) -> list[str]:
    faults = secret_file_faults(path, mode)
    try:
        content = path.read_bytes()
    except OSError:
        return faults
    for what, mark in (("certificate", b"CERTIFICATE-----"), ("private key", b"PRIVATE KEY-----")):
        if mark not in content:
            faults.append(f"{path} holds no {what}. It must hold both in PEM.")
    return faults


def _setting(settings: Settings, place: Place) -> Path | None:
    table: object = settings
    for key in place[:-1]:
        table = getattr(table, key)
    found = getattr(table, place[-1])
    return found if isinstance(found, Path) else None
