"""Builds the real image and runs containers from it, without a container engine.

buildah builds the image on a base that mmdebstrap makes. A container is a process in its own namespaces, with the
image's file system as its root. Needs root, and the Debian packages buildah, netavark and mmdebstrap.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PLACE = REPOSITORY / ".tools" / "container"
BASE = "localhost/python-base"
IMAGE = "localhost/nhsmail-worker:test"
PACKAGES = "python3,python3-venv,ca-certificates"
PROGRAMS = ("buildah", "mmdebstrap", "unshare", "chroot")

_BUILDAH = ("buildah", "--root", str(PLACE / "root"), "--runroot", str(PLACE / "run"), "--storage-driver", "vfs")

# The mounts belong to the container and end with it. The root is the image's file system, mounted read-only or not. The
# arguments before `--` are pairs of paths to bind-mount. Then the shell becomes the image's entry point, process 1.
_ENTER = """
root=$1 ids=$2 mode=$3 chroot=$(command -v chroot); shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    shift 2
done
shift
[ "$mode" = rw ] || mount -o remount,ro,bind "$root"
exec env -i PATH=/opt/nhsmail-worker/bin:/usr/bin:/bin NHSMAIL_CONFIG=/etc/nhsmail-worker/worker.toml \
    PYTHONDONTWRITEBYTECODE=1 "$chroot" --userspec="$ids" "$root" "$@"
"""


def missing() -> list[str]:
    """The required programs that aren't installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def build() -> "Image":
    """Build the image. The base is made first if it doesn't exist."""
    PLACE.mkdir(parents=True, exist_ok=True)
    if BASE not in _buildah("images", "--format", "{{.Name}}"):
        _make_base()
    _buildah(
        "build", "--quiet", "--format", "docker", "--isolation", "chroot",
        "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=90000:90000",
        "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro",
        "--build-arg", f"PYTHON={BASE}", "--tag", IMAGE, str(REPOSITORY),
    )  # fmt: skip
    container = _buildah("from", IMAGE).strip()
    root = Path(_buildah("mount", container).strip())
    (root / "etc" / "hosts").touch()  # an engine would create it
    return Image(container, root)


def _make_base() -> None:
    archive = PLACE / "base.tar"
    if not archive.exists():
        part = PLACE / "base.part.tar"
        _run("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(part))
        part.rename(archive)
    container = _buildah("from", "scratch").strip()
    _buildah("add", "--quiet", container, str(archive), "/")
    _buildah("commit", "--quiet", "--rm", container, BASE)


def _buildah(*arguments: str) -> str:
    return _run(*_BUILDAH, *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command[:9])} …: {done.stderr[-3000:]}"
    return done.stdout


@dataclass(frozen=True)
class Image:
    """A built image, mounted."""

    container: str
    root: Path

    def remove(self) -> None:
        _buildah("umount", self.container)
        _buildah("rm", self.container)

    def setting(self, template: str) -> str:
        """Read one setting of the image by a Go template such as `{{.OCIv1.Config.User}}`."""
        return _buildah("inspect", "--type", "image", "--format", template, IMAGE).strip()

    @property
    def size(self) -> int:
        """Size of the whole image in bytes, base included."""
        return int(_run("du", "-sb", str(self.root)).split()[0])

    def added(self) -> int:
        """Size in bytes of what we add to the base."""
        return int(_run("du", "-sb", str(self.root / "opt" / "nhsmail-worker")).split()[0])


@dataclass
class Container:
    """One container, whose process 1 is the image's entry point. mounts: pairs (path here, path in the container)."""

    image: Image
    log: Path
    mounts: list[tuple[Path, str]]
    user: str = "10001:10001"
    read_only: bool = True
    _shell: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self, *arguments: str) -> None:
        pairs = [part for here, there in self.mounts for part in (str(here), there)]
        mode = "ro" if self.read_only else "rw"
        entry = self.image.setting("{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}").split()
        with self.log.open("ab") as log:
            self._shell = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _ENTER, "container",
                 str(self.image.root), self.user, mode, *pairs, "--", *entry, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def process(self) -> int:
        """The PID, seen from here, of the container's process 1."""
        assert self._shell is not None
        children = Path(f"/proc/{self._shell.pid}/task/{self._shell.pid}/children")
        deadline = time.monotonic() + 10
        while not (found := children.read_text().split()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        return int(found[0])

    def states(self) -> list[str]:
        """The state of each child of process 1, as in `/proc`: S sleeping, R running, Z zombie."""
        found = []
        for child in Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                found.append(Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0])
        return found

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM to process 1. Returns the exit code and how many seconds it took."""
        began = time.monotonic()
        os.kill(self.process, signal.SIGTERM)
        return self.wait(), time.monotonic() - began

    def kill(self) -> None:
        """Send SIGKILL, as an engine does after its time limit."""
        os.kill(self.process, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        assert self._shell is not None
        return self._shell.wait(60)

    def end(self) -> None:
        """Clean up, whatever state the container is in."""
        if self._shell is not None and self._shell.poll() is None:
            self._shell.kill()
            self._shell.wait(10)
