"""The catalogue of the audit trail: what it can hold, and the page of the documentation that is made from it."""

from collections.abc import Mapping
from typing import Final

from worker.observe.audit.findings import CAUSES, DOUBTED, MEANINGS, ROLLBACKS, What

KINDS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    kind: (meaning, frozenset(fields.split()))
    for kind, fields, meaning in (
        ("audit.doubted", "reason", "the worker found folder, witness or journal not as it had left them"),
        ("audit.repaired", "bytes", "a half-written line was cut off after a sudden stop"),
        ("configuration.changed", "setting", "a setting differs from the last start's"),
        ("configuration.loaded", "version python fingerprint", "the worker started with this configuration"),
        (
            "content.searched",
            "command criteria",
            "a person looked for messages by these criteria, and had sender and subject of what was found shown",
        ),
        ("content.shown", "key command", "a person had a message's content shown"),
        (
            "copies.announced",
            "handler seconds",
            "from a day later, a handler's copies of messages that are older than so many `seconds` are removed",
        ),
        ("copy.kept", "key handler", "a copy that was to be removed may still be there; it is tried again"),
        ("copy.removed", "key handler", "a handler is told to remove an old copy of this message, now"),
        ("journal.copied", "", "a person made a copy of the journal, the audit trail and their keys"),
        ("journal.rebuilt", "count", "the journal was made anew from the mailbox"),
        ("lease.lost", "holder", "this replica no longer works on the mailbox"),
        ("lease.taken", "holder", "this replica works on the mailbox"),
        ("login.answered", "credential outcome failures remaining seconds", "what came of an attempt"),
        ("login.attempted", "credential method failures remaining", "a credential goes to the server now"),
        ("login.authorised", "method", "a person signed the worker in"),
        ("login.cooling", "failures remaining next_at reason", "no attempt before this time"),
        ("login.halted", "failures remaining reason", "no attempt until a person or a new credential changes things"),
        (
            "login.reset",
            "failures remaining",
            "a person vouched that the account was unlocked: so many `failures` are forgotten",
        ),
        ("login.resumed", "reason", "attempts are made again after a halt"),
        ("mail.acknowledged", "count", "a person knows of mail that others put into the folder of handled mail"),
        ("message.disposed", "key path state reason target", "a message came to its outcome"),
        ("message.released", "key", "a person said that junk is clean"),
        ("message.retried", "key", "a person asked for a dead letter to be tried again"),
        ("worker.paused", "", "a person paused the worker"),
        ("worker.resumed", "", "a person let the worker go on"),
        ("worker.started", "version run command", "a process began"),
        ("worker.stopped", "run exit reason", "a process ended in order"),
    )
}
"""What the trail can hold: kind, and the fields that may go with it. `words`, a person's own reason, goes with any."""


_PAGE: Final = """# Audit trail

In the state folder's `audit` lies one chain of lines for each replica: `REPLICA.jsonl`, and before it the rotated
`REPLICA~NUMBER.jsonl`, NUMBER being the file's last line. Each line is a JSON object with `n`, its number in the chain;
`at`; `chain`; `kind`; `who`, the replica or the operating-system user; the fields of its kind; `words`, where a person
gave a reason; and `mac`, a keyed hash over the line and the hash before it. The key (`audit.key`) lies beside them.

The operating-system user is the one whom the process runs as, by the system's word and not by a variable that anybody
can set. Whoever works by `sudo -u` stands there as that user: say in `--reason` who you are.

What doesn't print in a person's words, such as control characters and changes of the text's direction, stands in a
line as `\\u` and four digits, in the file, in its copies and in `audit show`.

## How far a chain had come
Whoever can read the files sees each `mac`. So the end of a chain, its *head*, is also kept in ways that need the key:

- **The witness** (`audit/audit.witness`) has the head of every chain of the folder, signed with the key. It holds the
  identity of the very file that it was written to, so a copy of it is known for one.
- **The journal** keeps the head of each chain with a *seal*, a keyed hash that is in no line.

A line is on the disk before the witness sees it, and the witness before the journal: wherever a process is killed, no
line that they know of is missing.

`nhsmail-worker audit verify` checks every line, compares every chain's end with both, and asks the login's witness
(`login.witness`) whether the journal is the one that it should be. It ends with 1 if it finds anything.

## Where to verify
A chain is verified where it lies. Where several hosts share one journal (PostgreSQL), each has a state folder, a key
and a chain of its own: run `audit verify` on each of them. It checks the chains of that folder, misses the folder's own
chains if they are gone, and names the others' as `not in this folder`. With `--all` these are missed too, for where
this folder should be the only one. With SQLite all chains lie in the one folder, and each that is gone is missed.

`audit verify` and `audit show` write nothing, make nothing and log in nowhere. They work on a copy of the state folder
(`cp -a`), on a read-only file system too: point `[state] dir` at it. A read-only folder is taken for a copy, and so is
one for which you say `--copy`. Then it is no finding that it was copied, and `audit verify` says that it can't miss
lines which came after the copy.

## What shows, and what doesn't

| finding | means | done to the trail |
|---|---|---|
{findings}

`altered`, `missing`, `misplaced`, `unreadable`, `cut` and `unwitnessed` stay findings, whatever is written afterwards.
The others the worker sets right with its next line, and says so in the trail: `audit.repaired` for half a line, and
`audit.doubted` for {doubted}. `audit verify` names each such line whenever it is run.
`unanchored` isn't a finding: good lines at the end that are newer than what the journal knows of, as after a kill or
while the journal was down.

A rollback without the key:

| put back to what it was before | shows as |
|---|---|
{rollbacks}

These don't show either: whoever has the key can forge all of it, and so can whoever puts a key of his own in its place,
with trail, witness and the journal's heads made anew; lines that neither witness nor journal had seen when the process
was killed (at most those of the batch in hand) can be cut; a state folder that was removed as a whole and
made again looks like a first start, where the file system keeps no attributes (else the login's witness in them tells);
files that are divided or named otherwise while all lines stay in their order. Send the lines on as they are written, to
syslog or standard output, and keep those where the owner of the folder can't reach them.

Rotated files may be archived elsewhere, but `audit verify` then reports them as `missing`: bring them back beside the
others to verify.

### From a version without witness
There the journal kept heads without a seal, so whoever could write files and journal could cut the end, and copy the
`mac` of the line that was now the last. With the first line that the new version writes, it seals the heads that it
finds, begins the witness, and marks the key; from then on a head without a seal is `forged`, and a missing witness
`unwitnessed`. What was cut before, with the head set to match, can't be found any more. An older version can't read the
marked key: to go back, restore the backup that you made before the upgrade.

## Kinds

| kind | means | fields |
|---|---|---|
"""


def markdown() -> str:
    """The trail as a page of the documentation."""
    findings = [f"| `{what}` | {MEANINGS[what]} | {CAUSES[what]} |" for what in What]
    rollbacks = [f"| {what} | {shows} |" for what, shows in ROLLBACKS]
    doubted = ", ".join(f"`{what}`" for what in DOUBTED)
    page = _PAGE.replace("{findings}", "\n".join(findings)).replace("{rollbacks}", "\n".join(rollbacks))
    page = page.replace("{doubted}", doubted)
    rows = [
        f"| `{kind}` | {meaning} | {', '.join(f'`{name}`' for name in sorted(fields)) or '–'} |"
        for kind, (meaning, fields) in KINDS.items()
    ]
    return page + "\n".join(rows) + "\n"
