"""What `check` says of what expires, from the settings and the files alone."""

from worker.commands.wiring.expiry_wiring import expiry_files_of
from worker.login.expiry import TABLE, Expiry, Found, Thing, expiries, sentence
from worker.observe.expiry_plan import expiry_plan
from worker.settings import Settings

_TOLD_LATER = (Thing.PASSWORD, Thing.REFRESH_TOKEN)
"""What the running worker learns by itself."""


def expiry_findings(settings: Settings, now: float) -> tuple[list[str], bool]:
    """The lines for the user, and whether something has expired, or a date can't be right. now: epoch s."""
    lines, finding = [], False
    changed = settings.password.changed
    if changed is not None and changed.timestamp() > now:
        lines.append(f"[password] changed is in the future ({changed:%Y-%m-%d}). Set it to the day of the last change.")
        finding = True
    for one in expiries(expiry_plan(settings), None, expiry_files_of(settings).found(Found()), now):
        if line := _line(one):
            lines.append(line)
        finding = finding or (one.days_left is not None and one.days_left < 0)
    return lines, finding


def _line(one: Expiry) -> str:
    row = TABLE[one.thing]
    if one.days_left is None:
        return "" if one.thing in _TOLD_LATER else f"{row.noun}: when it ends is not known. {row.unknown}"
    return "" if one.due is None else f"{sentence(one.thing, one.days_left)} {row.do}"
