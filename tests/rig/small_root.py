"""Small file systems for servers that can't be installed side by side: Debian's IMAP servers exclude one another.

`scripts/bootstrap servers` makes them in `.tools/servers` with mmdebstrap. A program in such a root sees a folder of
this machine as `/srv`, and shares this machine's network. It runs without rights: as `nobody` if we are root, and
otherwise in a user namespace in which our own user has that name.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLACE = Path(__file__).parents[2] / ".tools" / "servers"

# The mounts belong to the program and end with it. The arguments before `--` are pairs: a file or folder here, and
# where in the root it lies. The shell becomes the program, so that signals for the one reach the other.
_ENTER = """
root=$1 rights=$2; shift 2
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    shift 2
done
shift
if [ "$rights" = root ]; then set -- chroot --userspec=65534:65534 "$root" "$@"
else set -- unshare --user --map-user=65534 --map-group=65534 --root="$root" --wd=/ -- "$@"; fi
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
"""
_DEVICES = ("full", "null", "random", "urandom", "zero")


@dataclass(frozen=True)
class SmallRoot:
    """One root. data: the folder that programs see as /srv. binds: folders below it, and where else they lie.

    Raises RuntimeError if the root wasn't made.
    """

    name: str
    data: Path
    binds: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.path / ".stamp").exists():
            raise RuntimeError(f"The root with {self.name} is missing. Make it: scripts/bootstrap servers")
        if shutil.which("unshare") is None:
            raise RuntimeError("unshare is missing. Install it: apt-get install util-linux")

    @property
    def path(self) -> Path:
        return PLACE / self.name

    def command(self, *program: str) -> list[str]:
        """The command that starts a program in the root. What it starts has the same process ID."""
        pairs = [(f"/dev/{device}", f"/dev/{device}") for device in _DEVICES]
        pairs += [(str(self.data), "/srv"), *((str(self.data / here), there) for here, there in self.binds.items())]
        root = os.geteuid() == 0
        return [
            *("unshare", "--mount", *(() if root else ("--user", "--map-root-user"))),
            *("sh", "-euc", _ENTER, "enter", str(self.path), "root" if root else "user"),
            *(word for pair in pairs for word in pair),
            *("--", *program),
        ]

    def run(self, *program: str, given: str = "") -> None:
        """Run a program in the root until it ends. given: its standard input. Raises RuntimeError if it fails."""
        done = subprocess.run(self.command(*program), input=given, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(program)}: {done.stdout}{done.stderr}")
