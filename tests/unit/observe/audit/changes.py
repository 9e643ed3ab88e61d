"""Changes to a trail, its witness and the journal's heads, as somebody can make them who hasn't the key.

They may have watched the folder and the journal for as long as they like: they hold every earlier state of both.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.unit.observe.audit.world import Memory, trail_in, write
from worker.journal.audit_anchors import Anchor, Head
from worker.observe.audit.lines import mac_of, number_of, sealed_part
from worker.observe.audit.trail_folder import TrailFiles
from worker.observe.audit.trail_witness import NAME, TrailWitness

State = tuple[dict[str, bytes], dict[str, Anchor]]
"""The files of the folder, and the journal's heads."""


@dataclass(frozen=True)
class History:
    """Every state of a trail of two chains, the last of which is the one to be changed; and a trail of another key."""

    states: Sequence[State]
    stranger: State

    def put_up(self, folder: Path) -> Memory:
        """Lay the last state into a folder, with a witness of its own, as if it had been written there."""
        files, kept = self.states[-1]
        for name, content in files.items():
            (folder / name).write_bytes(content)
        key, stated = TrailFiles(folder).key, TrailFiles(folder).witness.read()
        assert stated is not None
        TrailWitness(folder, key).write(stated.seen)
        anchors = Memory()
        anchors.kept = dict(kept)
        return anchors


def history(directory: Path) -> History:
    """Let two chains be written, with rotated files, lines that are written together and lines that aren't."""
    anchors = Memory()
    one, two = trail_in(directory / "a", anchors, rotate_at=1500), trail_in(directory / "a", anchors, "two")
    states = [_state(directory / "a", anchors)]
    for number in range(9):
        write(one, 1)
        states.append(_state(directory / "a", anchors))
        if number % 3 == 0:
            two.record_all("message.disposed", [{"key": "abcdefghijklmnopqrstuvwxyz"}] * 2, who="two")
            one.record("login.reset", who="operator", words="unlocked by the LA", failures=5)
            states.append(_state(directory / "a", anchors))
    others = Memory()
    write(trail_in(directory / "b", others), 12)
    return History(states, _state(directory / "b", others))


def _state(folder: Path, anchors: Memory) -> State:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "audit.lock"}
    return files, dict(anchors.kept)


class Attacker:
    """Makes changes, drawn with `chance`."""

    def __init__(self, folder: Path, anchors: Memory, history: History, chance: random.Random) -> None:
        self.folder = folder
        self.anchors = anchors
        self.history = history
        self.chance = chance

    def change(self, name: str) -> None:
        """Make the change of this name. It may come to nothing, as when two equal lines change places."""
        CHANGES[name](self)

    # -- the trail's files

    def edit_byte(self) -> None:
        file, data = self._file()
        place = self.chance.randrange(len(data))
        file.write_bytes(data[:place] + bytes([data[place] ^ self.chance.randrange(1, 256)]) + data[place + 1 :])

    def edit_field(self) -> None:
        lines, number = self._line()
        fields = re.findall(rb'"(\w+)":("[^"]*"|\d+)', lines[number])
        name, value = self.chance.choice(fields)
        new = self.chance.choice([b'"handled"', b'"nobody"', b"7", value[:-1] + b'x"', value[:-2] + value[-1:]])
        lines[number] = lines[number].replace(b'"%s":%s' % (name, value), b'"%s":%s' % (name, new), 1)
        self._put(lines)

    def delete_lines(self) -> None:
        lines = self._lines()
        gone = set(self.chance.sample(range(len(lines)), self.chance.randrange(1, len(lines) + 1)))
        self._put([line for number, line in enumerate(lines) if number not in gone])

    def swap_lines(self) -> None:
        lines = self._lines()
        one, other = self.chance.randrange(len(lines)), self.chance.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
        self._put(lines)

    def duplicate_line(self) -> None:
        lines, number = self._line()
        lines.insert(self.chance.randrange(len(lines) + 1), lines[number])
        self._put(lines)

    def insert_junk(self) -> None:
        file, data = self._file()
        place = self.chance.randrange(len(data) + 1)
        junk = self.chance.choice([self.chance.randbytes(self.chance.randrange(1, 300)), b"\n", b"{}\n", b"x" * 40_000])
        file.write_bytes(data[:place] + junk + data[place:])

    def append_made_up_line(self) -> None:
        """In form a line, with a visible `mac` or a random one, and a number that may be any."""
        lines, number = self._line()
        last = number_of(sealed_part(lines[-1]) or b"")
        count = self.chance.choice([last + 1, last + 1, number + 1, 10**14, 2**63, 10**30])
        made = re.sub(rb'^{"n":\d+', b'{"n":%d' % count, lines[number])
        mac = self.chance.choice([mac_of(lines[number]).encode(), self.chance.randbytes(32).hex().encode()])
        self._put([*lines, made[: -len(mac) - 3] + mac + b'"}\n'])

    def truncate_at_line(self) -> None:
        lines, number = self._line()
        self._put(lines[:number])

    def truncate_at_byte(self) -> None:
        file, data = self._file()
        file.write_bytes(data[: self.chance.randrange(len(data))])

    def splice_same_key(self) -> None:
        """Lines of the other chain take the place of some, or of all from there on."""
        lines, number = self._line()
        theirs = self._lines_of(self.history.states[-1][0], "two")
        self._splice(lines, number, theirs)

    def splice_other_key(self) -> None:
        lines, number = self._line()
        self._splice(lines, number, self._lines_of(self.history.stranger[0], "one"))

    def splice_earlier(self) -> None:
        lines, number = self._line()
        self._splice(lines, number, self._lines_of(self.chance.choice(self.history.states[3:])[0], "one"))

    def remove_file(self) -> None:
        self.chance.choice(self._files()).unlink()

    def rename_file(self) -> None:
        file = self.chance.choice(self._files())
        name = self.chance.choice(["one", "two", "three", "one~000000000001", "two~000000000009"])
        file.rename(self.folder / f"{name}.jsonl")

    def old_file(self) -> None:
        """One file as it once was."""
        files = self.chance.choice(self.history.states)[0]
        names = [name for name in files if name.endswith(".jsonl")]
        if names:
            name = self.chance.choice(names)
            (self.folder / name).write_bytes(files[name])

    def old_files(self) -> None:
        """All files of the trail as they once were; those that came later are gone."""
        self._put_files(self.chance.choice(self.history.states[:-1])[0])

    # -- the journal's heads

    def copy_mac(self) -> None:
        """What is visible in a line becomes the head, in the form of an earlier version or of this one."""
        lines, number = self._line()
        seals = ["", mac_of(lines[number]), mac_of(self.chance.choice(lines)), *self._seals(), "f" * 64]
        self._head("one", Head(self._number(lines[number]), mac_of(lines[number])), self.chance.choice(seals))

    def cut_and_copy_mac(self) -> None:
        """The very fault that this is about: cut the end, and make the last line's visible hash the head."""
        lines = self._lines()
        lines = lines[: self.chance.randrange(1, len(lines))]
        self._put(lines)
        seals = ["", mac_of(lines[-1]), *self._seals()]
        self._head("one", Head(self._number(lines[-1]), mac_of(lines[-1])), self.chance.choice(seals))

    def delete_head(self) -> None:
        self.anchors.kept.pop(self.chance.choice(["one", "two"]), None)

    def delete_heads(self) -> None:
        self.anchors.kept.clear()

    def old_head(self) -> None:
        kept = self.chance.choice(self.history.states)[1]
        chain = self.chance.choice(["one", "two"])
        if chain in kept:
            self.anchors.kept[chain] = kept[chain]

    def swap_heads(self) -> None:
        kept = self.anchors.kept
        if kept.keys() >= {"one", "two"}:
            kept["one"], kept["two"] = kept["two"], kept["one"]

    def edit_head(self) -> None:
        kept = self.anchors.kept.get("one", Anchor(Head(0, "")))
        count = self.chance.choice([kept.head.count, kept.head.count - 1, kept.head.count + 1, 10**9, 0])
        seal = self.chance.choice([kept.seal, "", "nothing", self.chance.randbytes(32).hex()])
        self._head("one", Head(count, kept.head.mac), seal)

    # -- the witness

    def remove_witness(self) -> None:
        (self.folder / NAME).unlink(missing_ok=True)

    def edit_witness(self) -> None:
        file = self.folder / NAME
        if file.is_file() and (data := file.read_bytes()):
            place = self.chance.randrange(len(data))
            file.write_bytes(data[:place] + bytes([data[place] ^ self.chance.randrange(1, 256)]) + data[place + 1 :])

    def old_witness(self) -> None:
        """Written over the one that is there, or put in its place."""
        if self.chance.random() < 0.5:
            (self.folder / NAME).unlink(missing_ok=True)
        (self.folder / NAME).write_bytes(self.chance.choice(self.history.states)[0][NAME])

    def strange_witness(self) -> None:
        (self.folder / NAME).write_bytes(self.history.stranger[0][NAME])

    def other_kind_of_witness(self) -> None:
        file = self.folder / NAME
        file.unlink(missing_ok=True)
        match self.chance.randrange(3):
            case 0:
                file.symlink_to(self.folder / "one.jsonl")
            case 1:
                file.mkdir()
            case _:
                file.touch()

    # -- several at once

    def cut_and_remove_the_rest(self) -> None:
        """Cut the end, and take away whatever knows of it."""
        self.truncate_at_line()
        self.anchors.kept.clear()
        self.remove_witness()

    def roll_back_trail_and_journal(self) -> None:
        files, kept = self.chance.choice(self.history.states[:-1])
        self._put_files(files)
        self.anchors.kept = dict(kept)

    def roll_back_trail_and_witness(self) -> None:
        files, _ = self.chance.choice(self.history.states[:-1])
        self._put_files(files)
        (self.folder / NAME).write_bytes(files[NAME])

    def roll_back_everything(self) -> None:
        self.roll_back_trail_and_journal()
        files = self.chance.choice(self.history.states)[0]
        (self.folder / NAME).write_bytes(files[NAME])

    # -- the key: they can write its file, and not read it

    def remove_key(self) -> None:
        (self.folder / "audit.key").unlink()

    def damage_key(self) -> None:
        with (self.folder / "audit.key").open("r+b") as file:
            if self.chance.random() < 0.5:
                file.truncate(self.chance.randrange(77))
            else:
                file.seek(self.chance.randrange(77))
                file.write(b"%02x" % self.chance.randrange(256))

    def strange_key(self) -> None:
        (self.folder / "audit.key").write_bytes(self.history.stranger[0]["audit.key"])

    # -- parts of these

    def _files(self) -> list[Path]:
        files = sorted(path for path in self.folder.glob("*.jsonl") if path.stat().st_size)
        if not files:
            raise NothingLeft
        return files

    def _file(self) -> tuple[Path, bytes]:
        file = self.chance.choice(self._files())
        return file, file.read_bytes()

    def _lines(self) -> list[bytes]:
        files = [path for path in self._files() if path.name.startswith("one")]
        lines = [line for path in files[1:] + files[:1] for line in path.read_bytes().splitlines(keepends=True)]
        if len(lines) < 2 or any(sealed_part(line) is None for line in lines):
            raise NothingLeft
        return lines

    def _line(self) -> tuple[list[bytes], int]:
        lines = self._lines()
        return lines, self.chance.randrange(len(lines))

    def _put(self, lines: Sequence[bytes]) -> None:
        """Into the chain `one`: all in its current file."""
        for path in self.folder.glob("one~*.jsonl"):
            path.unlink()
        (self.folder / "one.jsonl").write_bytes(b"".join(lines))

    def _put_files(self, files: dict[str, bytes]) -> None:
        for path in self.folder.glob("*.jsonl"):
            path.unlink()
        for name, content in files.items():
            if name.endswith(".jsonl"):
                (self.folder / name).write_bytes(content)

    def _splice(self, lines: list[bytes], number: int, theirs: Sequence[bytes]) -> None:
        if theirs:
            first = self.chance.randrange(len(theirs))
            taken = theirs[first : first + self.chance.randrange(1, len(theirs) + 1)]
            rest = lines[number + len(taken) :] if self.chance.random() < 0.5 else []
            self._put([*lines[:number], *taken, *rest])

    @staticmethod
    def _lines_of(files: dict[str, bytes], chain: str) -> list[bytes]:
        names = sorted(name for name in files if name.startswith(chain))
        return [line for name in names[1:] + names[:1] for line in files[name].splitlines(keepends=True)]

    def _seals(self) -> list[str]:
        return [anchor.seal for _, kept in self.history.states for anchor in kept.values()]

    @staticmethod
    def _number(line: bytes) -> int:
        return number_of(sealed_part(line) or b"")

    def _head(self, chain: str, head: Head, seal: str) -> None:
        self.anchors.kept[chain] = Anchor(head, seal)


class NothingLeft(Exception):
    """An earlier change left nothing for this one."""


CHANGES: Final[dict[str, Callable[[Attacker], None]]] = {
    name: value for name, value in vars(Attacker).items() if not name.startswith("_") and name != "change"
}


def what_counts(folder: Path, anchors: Memory) -> object:
    """All that a trail is: what each chain says, what vouches for it, and the key. Not how files are divided."""
    chains: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: ("~" not in path.name, path.name)):
        chain = path.stem.partition("~")[0]
        chains[chain] = chains.get(chain, b"") + path.read_bytes()
    witness, key = folder / NAME, folder / "audit.key"
    seen = (witness.lstat().st_ino, witness.read_bytes()) if witness.is_file() else None
    kept = key.read_bytes() if key.exists() else None
    return {name: said for name, said in chains.items() if said}, dict(anchors.kept), seen, kept
