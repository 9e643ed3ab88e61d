"""Writes docs/expiry.md from the table: `python -m worker.login.expiry_page > docs/expiry.md`."""

import sys
from typing import Final

from worker.login.expiry import TABLE, Thing

_HEAD: Final = """\
# What expires

<!-- Written by `python -m worker.login.expiry_page`; a test compares the two. -->

The worker tells beforehand, so that nothing expires unseen: on the status page and in `nhsmail-worker status`, as a
metric, as an alert, and in the log. One table in the program is behind all of these, and behind this page.

| from | told |
|---|---|
| 30 days before the end | once (passwords: from `[password] warn` on) |
| 21 days before | once more |
| 14 days before | once more |
| 7 days before | each day, also after the end, until it is renewed |

- The log and each alert channel get every warning once, over restarts and over replicas with one journal. What fell due
  while no worker ran is told at the next start: the latest warning, not those that it replaces. If the process dies
  while it tells, it tells again; so it does after the clock was ahead by more than a day.
- The worker looks once an hour, also during a pause or a halt. `once` looks at its end, and sends no alerts.
- Where the end isn't known, nothing can be told: page, `status` and `check` say so, and what makes it known. The metric
  is NaN.
- What has expired already, and a `[password] changed` that is still to come, are findings of `check` (exit 1).
- Of replicas, each tells of its own certificate file and its own sign-in, on its page, in its metrics and in its log.
  Alerts come from the replica that works on the mailbox: watch the others by Prometheus, or by their log.
- `[password] changed` and `[account.oauth] secret_expires` are read at the start. After a renewal, set the date and
  restart the worker; otherwise it goes on to warn of the old end.

| what | with `[account] auth` | its end is known from |
|---|---|---|
"""


def markdown() -> str:
    """The page."""
    rows = "\n".join(f"| `{thing}` | {row.when} | {row.known_from} |" for thing, row in TABLE.items())
    return _HEAD + rows + "\n\n" + "\n\n".join(map(_section, TABLE)) + "\n"


def _section(thing: Thing) -> str:
    row = TABLE[thing]
    event = "password.expiring" if thing.is_password else "credential.expiring"
    return (
        f"## {thing}\n\n{row.noun}, with {row.when}. Alert `{thing}-expiring`, event `{event}`, metric "
        f'`nhsmail_expiry_days_left{{what="{thing}"}}`.\n\n'
        f"- **At its end:** {row.ends}\n- **Before:** {row.do}\n- **If the end isn't known:** {row.unknown}"
    )


if __name__ == "__main__":
    sys.stdout.write(markdown())
