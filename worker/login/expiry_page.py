"""Writes docs/expiry.md from the table: `python -m worker.login.expiry_page > docs/expiry.md`."""

import sys
from typing import Final

from worker.login.expiry import TABLE, Thing

_HEAD: Final = """\
# What expires

<!-- Written by `python -m worker.login.expiry_page`; a test compares the two. -->

The worker warns you before anything expires: on the status page, in `nhsmail-worker status`, as a metric, as an alert,
and in the log. All of these, and this page, come from one table in the program.

| from | warns |
|---|---|
| 30 days before the end | once (passwords: from `[password] warn` on) |
| 21 days before | once more |
| 14 days before | once more |
| 7 days before | each day, also after the end, until it is renewed |

- The log and each alert channel get every warning once, even after a restart and with several replicas on one journal.
  If a warning fell due while no worker ran, the next start gives the latest one, not those before it. The worker
  repeats a warning if the process died while sending it, or if the clock was ahead by more than a day.
- The worker checks once an hour, also during a pause or a halt. `once` checks at its end, and sends no alerts.
- If the end isn't known, the worker can't warn. The page, `status` and `check` say so, and say what to set. The metric
  is NaN.
- `check` reports what has already expired, and a `[password] changed` in the future (exit code 1).
- Each replica reports its own certificate file and its own sign-in: on its page, in its metrics and in its log. Alerts
  come only from the replica that works on the mailbox. Watch the others with Prometheus, or by their log.
- `[password] changed` and `[account.oauth] secret_expires` are read at the start. After a renewal, set the date and
  restart the worker. Otherwise it keeps warning about the old end.

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
