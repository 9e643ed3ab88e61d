"""The image, really built, and containers of it, without an engine: buildah builds on a base made on the spot, and a
container is a process in namespaces of its own, on the image's root file system.

It needs root, and the Debian packages buildah, netavark and mmdebstrap.
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

# Mounts are the container's own and end with it. The root is the image's, and may be read-only. What is mounted in the
# container comes as pairs; then the process becomes the image's entry point, and process 1.
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
    """The programs that are needed and aren't there."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def build() -> "Image":
    """Build the image, on a base that is made when there is none yet."""
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
    (root / "etc" / "hosts").touch()  # an engine makes it
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
        """A part of the image's description, by a Go template such as `{{.OCIv1.Config.User}}`."""
        return _buildah("inspect", "--type", "image", "--format", template, IMAGE).strip()

    @property
    def size(self) -> int:
        """Bytes of everything in it, base included."""
        return int(_run("du", "-sb", str(self.root)).split()[0])

    def added(self) -> int:
        """Bytes of what we put on the base."""
        return int(_run("du", "-sb", str(self.root / "opt" / "nhsmail-worker")).split()[0])


@dataclass
class Container:
    """One container: process 1 is the image's entry point. mounts: (here, in the container)."""

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
        """Process 1 of the container, by its number here."""
        assert self._shell is not None
        children = Path(f"/proc/{self._shell.pid}/task/{self._shell.pid}/children")
        deadline = time.monotonic() + 10
        while not (found := children.read_text().split()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        return int(found[0])

    def states(self) -> list[str]:
        """The state of each child of process 1, as in `/proc`: S sleeps, R runs, Z has ended and was not taken away."""
        found = []
        for child in Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):
                found.append(Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0])
        return found

    def stop(self) -> tuple[int, float]:
        """SIGTERM to process 1: the exit code, and the seconds until it had ended."""
        began = time.monotonic()
        os.kill(self.process, signal.SIGTERM)
        return self.wait(), time.monotonic() - began

    def kill(self) -> None:
        """As an engine that has lost patience."""
        os.kill(self.process, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        assert self._shell is not None
        return self._shell.wait(60)

    def end(self) -> None:
        """Whatever state it is in."""
        if self._shell is not None and self._shell.poll() is None:
            self._shell.kill()
            self._shell.wait(10)
