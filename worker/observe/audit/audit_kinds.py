"""The catalogue of the audit trail: what it can hold, and the page of the documentation that is made from it."""

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    kind: (meaning, frozenset(fields.split()))
    for kind, fields, meaning in (
        ("audit.repaired", "bytes", "a half-written line was cut off after a sudden stop"),
        ("configuration.changed", "setting", "a setting differs from the last start's"),
        ("configuration.loaded", "version python fingerprint", "the worker started with this configuration"),
        ("content.shown", "key command", "a person had a message's content shown"),
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
gave a reason; and `mac`, a keyed hash over the line and the hash before it. `nhsmail-worker audit verify` checks every
chain, and compares its end with the head that the journal holds.

A chain is verified where it lies. Where several hosts share one journal (PostgreSQL), each has a state folder, a key
and a chain of its own: run `audit verify` on each of them. It checks the chains of that folder, misses the folder's own
chain if it is gone, and names the others' as `not in this folder`. With `--all` these are missed too: for one folder
into which all were brought together, or where none but this one should be. With SQLite all chains lie in the one
folder, and each that is gone is missed.

## What shows, and what doesn't

| done to the trail | shows as |
|---|---|
| a line edited | `altered` |
| lines deleted | `missing`; at the end `cut` |
| lines in another order, or twice | `misplaced` |
| something inserted | `unreadable`, `misplaced` or `altered` |
| the end cut off, an old copy put back, a chain removed | `cut` |
| half a line at the end | `torn`, until the next line is written; then `audit.repaired` stands in the trail |

These don't show, as whoever owns the state folder can do them: with the key (`audit.key`) *and* the journal, a whole
new trail can be forged; with the journal removed or restored from a backup, lines cut off the end aren't missed; with a
shared journal, neither is a chain that was removed together with the file `installation`, unless `--all` is given;
lines that the journal doesn't vouch for yet (`unanchored`, at most those of the batch in hand) can be cut. Send the
lines on as they are written, to syslog or standard output, and keep those where the owner of the folder can't reach
them.

Rotated files may be archived elsewhere, but `audit verify` then reports them as `missing`: bring them back beside the
others to verify.

## Kinds

| kind | means | fields |
|---|---|---|
"""


def markdown() -> str:
    """The trail as a page of the documentation."""
    rows = [
        f"| `{kind}` | {meaning} | {', '.join(f'`{name}`' for name in sorted(fields)) or '–'} |"
        for kind, (meaning, fields) in KINDS.items()
    ]
    return _PAGE + "\n".join(rows) + "\n"
