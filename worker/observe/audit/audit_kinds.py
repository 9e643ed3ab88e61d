"""The catalogue of the audit trail: what it can hold, and the page of the documentation that is made from it."""

from collections.abc import Mapping
from typing import Final

from worker.observe.audit.findings import CAUSES, DOUBTED, MEANINGS, ROLLBACKS, What

KINDS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    kind: (meaning, frozenset(fields.split()))
    for kind, fields, meaning in (
        ("audit.doubted", "reason", "the worker found the folder, witness or journal changed"),
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
            "from a day later, a handler removes its copies of messages that are older than `seconds`",
        ),
        ("copy.kept", "key handler", "a copy that should be removed may still be there. The handler tries again"),
        ("copy.removed", "key handler", "the worker tells a handler to remove an old copy of this message"),
        ("journal.copied", "", "a person made a copy of the journal, the audit trail and their keys"),
        ("journal.rebuilt", "count", "the journal was rebuilt from the mailbox"),
        ("lease.lost", "holder", "this replica no longer works on the mailbox"),
        ("lease.taken", "holder", "this replica works on the mailbox"),
        ("login.answered", "credential outcome failures remaining seconds", "the result of an attempt"),
        ("login.attempted", "credential method failures remaining", "the worker sends a credential to the server"),
        ("login.authorised", "method", "a person signed the worker in"),
        ("login.cooling", "failures remaining next_at reason", "no attempt before this time"),
        ("login.halted", "failures remaining reason", "no attempt until a person acts or the credential changes"),
        (
            "login.reset",
            "failures remaining",
            "a person vouched that the account was unlocked: `failures` failed attempts are forgotten",
        ),
        ("login.resumed", "reason", "attempts start again after a halt"),
        ("mail.acknowledged", "count", "a person acknowledged mail that others put into the folder of handled mail"),
        ("message.disposed", "key path state reason target", "a message has its outcome"),
        ("message.handled_again", "key handler", "a person asked for a handled message to be handled again"),
        ("message.released", "key", "a person released a message from junk"),
        ("message.retried", "key", "a person asked for a dead letter to be tried again"),
        ("worker.paused", "", "a person paused the worker"),
        ("worker.resumed", "", "a person ended the pause"),
        ("worker.started", "version run command", "a process began"),
        ("worker.stopped", "run exit reason", "a process ended normally"),
    )
}
"""What the trail can hold: kind, and the fields that may go with it. `words`, a person's own reason, goes with any."""


_PAGE: Final = """# Audit trail

The folder `audit` in the state folder holds one chain of lines for each replica: `REPLICA.jsonl`, and before it the
rotated files `REPLICA~NUMBER.jsonl`. NUMBER is the number of the file's last line. Each line is a JSON object. It has
`n` (its number in the chain), `at`, `chain`, `kind`, `who` (the replica or the operating-system user) and the fields of
its kind. If a person gave a reason, it has `words`. Last comes `mac`, a keyed hash over the line and the hash before
it. The key (`audit.key`) is in the same folder.

The operating-system user is the user that the process runs as. The system reports it, so no environment variable can
change it. If you use `sudo -u`, the trail names that user: say in `--reason` who you are.

Characters in a person's words that don't print, such as control characters, appear as `\\u` and four digits. That is so
in the file, in its copies and in `audit show`.

## How far a chain had come
Anybody who can read the files sees each `mac`. So the end of a chain, its *head*, is also kept in two ways that need
the key:

- **The witness** (`audit/audit.witness`) has the head of every chain of the folder, signed with the key. It also holds
  the identity of its own file, so the worker recognises a copy.
- **The journal** keeps the head of each chain with a *seal*, a keyed hash that is in no line.

The worker writes a line to the disk first, then updates the witness, then the journal. So after a kill, no line that
they know of is missing.

`nhsmail-worker audit verify` checks every line, compares every chain's end with both, and asks the login's witness
(`login.witness`) whether the journal is the right one. It exits with 1 if it finds anything.

## Where to verify
Verify a chain on the host that writes it. If several hosts share one journal (PostgreSQL), each has its own state
folder, key and chain: run `audit verify` on each of them. It checks the chains of that folder, and reports the folder's
own chains if they are missing. It names the other hosts' chains as `not in this folder`. Use `--all` if this folder
should be the only one: then it reports those as missing too. With SQLite all chains are in one folder, and it reports
each missing one.

`audit verify` and `audit show` write nothing and don't log in. They also work on a copy of the state folder (`cp -a`),
on a folder that `journal backup` made, and on a read-only file system. Name the folder, and use the configuration as it
is:

    nhsmail-worker audit show --state /srv/backup/nhsmail-worker-20261127T090000Z
    nhsmail-worker audit verify --state /srv/backup/nhsmail-worker-20261127T090000Z

`audit verify` treats such a folder as a copy, and a read-only folder as well. With `--copy` it treats the state folder
of the configuration as one. Then the copying itself isn't a finding. The answer says that this is a copy, and that the
worker can't notice missing lines that were written after the copy.

## What shows, and what doesn't

| finding | means | done to the trail |
|---|---|---|
{findings}

`altered`, `missing`, `misplaced`, `unreadable`, `cut` and `unwitnessed` stay findings for good. The worker corrects the
others with its next line, and records that in the trail: `audit.repaired` for half a line, and `audit.doubted` for
{doubted}. `audit verify` names each such line whenever it is run. `unanchored` isn't a finding: after a kill, or while
the journal was down, good lines at the end are newer than the journal knows.

A rollback without the key:

| put back to what it was before | shows as |
|---|---|
{rollbacks}

The verification can't show these changes either. Somebody with the key can forge everything. So can somebody who
replaces the key and makes the trail, the witness and the journal's heads again. Somebody can cut lines that neither the
witness nor the journal had seen when the process was killed (at most those of the current batch). A state folder that
was removed and made again looks like a first start. (If the file system keeps attributes, the login's witness in them
shows it.) Files can be split or renamed while all lines stay in order. So send each line elsewhere as it is written, to
syslog or standard output. Keep those copies where the owner of the folder can't reach them.

Rotated files may be archived elsewhere, but `audit verify` then reports them as `missing`: put them back into the
folder to verify.

### From a version without witness
Earlier versions kept the heads in the journal without a seal. So somebody who could write the files and the journal
could cut the end, and copy the `mac` of the new last line. With its first line, the new version seals the heads that it
finds, begins the witness, and marks the key. From then on a head without a seal is `forged`, and a missing witness is
`unwitnessed`. The new version can't find lines that were cut before. An older version can't read the marked key: to go
back, restore the backup that you made before the upgrade.

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
