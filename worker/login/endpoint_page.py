"""Writes docs/sign-in-errors.md from the table: `python -m worker.login.endpoint_page > docs/sign-in-errors.md`."""

import sys
from collections.abc import Iterable
from typing import Final

from worker.login.endpoint_errors import NAMED, NAMED_WITH_PASSWORD, NUMBERED, Row, Then
from worker.mailbox.login_failures import HALTING

_HEAD: Final = """\
# Sign-in errors

<!-- Written by `python -m worker.login.endpoint_page`; a test compares the two. -->

This page lists the errors of the sign-in service (Microsoft's token endpoint): what each one means, who acts, and what
they type. The worker gives the same advice, with your names in it. It is in `nhsmail-worker login status` and
`nhsmail-worker login authorise`, in the log (`login.rejected`, `login.halted`), on the status page and in alerts. It
always shows OAuth's `error` and Microsoft's number, as in `invalid_grant AADSTS50126`. It also shows a number that
isn't on this page. Microsoft explains any number at `https://login.microsoftonline.com/error?code=50126`.

- **OAuth's `error` decides; the number refines.** Microsoft may change its numbers at any time. An answer with an
  unknown number means what its `error` means. If the `error` is a temporary one (`temporarily_unavailable`,
  `server_error`, `slow_down`), no number halts a login by token.
- **Halted** means that the worker doesn't try this credential again until somebody acts. **Waits** means that it tries
  again on its own.
- **With the account's password** (`auth = "oauth2-password"`) every answer counts against the account, as a wrong
  password does, unless this page says "doesn't count". If an answer has an unknown number as well as a known one, it
  counts. An answer without a number doesn't count if it is HTTP 429 or 503 and names no error, or only a temporary one.
  With the default `[lockout]` the worker stops after eight answers that count: it never makes a ninth attempt.
- Without the password nothing counts against the account.

`CLIENT_ID` is the application's id. Commands that begin with `az` belong to the Azure CLI. The tenant's administrators
run them. You reach them through the Local Administrator, who also submits the application's registration. """

_THEN: Final = {
    Then.WAIT: "",
    Then.SETTING: "Then restart the worker: it is tried at once.",
    Then.SECRET: "Put it into the file that `client_secret_file` names. It is tried at once.",
    Then.CERTIFICATE: "Put it, with its key, into the file that `certificate_file` names. It is tried at once.",
    Then.PASSWORD: (
        "Put it into the file that `password_file` names. It is tried at once. If it was right already: "
        "`nhsmail-worker login reset --reason …`."
    ),
    Then.NEW_PASSWORD: "Put it into the file that `password_file` names. It is tried at once.",
    Then.SIGN_IN: "`nhsmail-worker login authorise`. With `oauth2-password` the worker signs in again on its own.",
    Then.RESET: "Then `nhsmail-worker login reset --reason …`.",
}


def page() -> str:
    """Return docs/sign-in-errors.md."""
    numbered = sorted(NUMBERED, key=lambda row: (str(row.number), row.number))
    return "\n".join(
        [
            _HEAD,
            "## By number",
            "",
            "Sorted as text: 500011 comes after 50001.",
            "",
            *_table(numbered),
            "",
            "## By error",
            "",
            (
                "For answers without a number, or with a number that isn't listed above. With the account's password "
                "all of them count."
            ),
            "",
            *_table(NAMED),
            "",
            "### With the account's password",
            "",
            'With `auth = "oauth2-password"` these mean something else:',
            "",
            *_table(NAMED_WITH_PASSWORD),
            "",
        ]
    )


def _table(rows: Iterable[Row]) -> list[str]:
    head = ["| answer | meaning | the worker | with the password | who acts | what they do, and type |"]
    return [*head, "|---|---|---|---|---|---|", *(_line(row) for row in rows)]


def _line(row: Row) -> str:
    answer = f"`{row.error}`" if row.number is None else f"{row.number}<br>`{row.error}`"
    works = "halted" if row.cls in HALTING else "waits"
    counts = "counts" if row.counts else "doesn't count"
    do = row.do.format(administrator="the Local Administrator", account="the account")
    done = f"{do[:1].upper()}{do[1:]}. {_THEN[row.then]}".strip()
    return f"| {answer} | {row.meaning} | {works} | {counts} | {row.who} | {done} |"


if __name__ == "__main__":
    sys.stdout.write(page())
