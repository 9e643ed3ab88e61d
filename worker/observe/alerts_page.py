"""Writes docs/alerts.md from the table: `python -m worker.observe.alerts_page > docs/alerts.md`."""

import sys
from collections.abc import Iterator, Mapping
from typing import Final

from worker.observe.send_advice import WAYS, Way, in_words, possible, told
from worker.observe.send_failure import Why

_HEAD: Final = """\
# Alerts that arrive

<!-- Written by `python -m worker.observe.alerts_page`; a test compares the two. -->

The worker alerts people in each way that [`[alerts]`](configuration.md#alerts) names: webhooks (Teams, Slack, plain
JSON), mail through a relay, and mail from the account itself. Each way is independent. If one of them refuses an alert,
or takes longer than 45 seconds, the others still get it. The worker sends it again to the one that failed: at the next
check, then after 1, 2 and 5 minutes, then every 10 minutes. The worker records each delivery, so a restart doesn't send
an alert twice. It sends an alert again if the connection broke before the server confirmed it.

```sh
nhsmail-worker alerts test
```

sends one trial alert in each way. For each it prints whether it was accepted, the answer, what that means and what to
do. `--json` prints the same for programs. The exit code is 0 if all were accepted, 1 if one wasn't, and 78 if no way is
set. *Accepted* means that the next server took the mail. Ask somebody in `to` whether it arrived, and in which folder.

## Which way

| way | needs | works while the login is halted |
|---|---|---|
| a webhook | HTTPS out to its host, through the firewall | yes |
| `[alerts.relay]` | a relay that takes mail from this machine, and a sender address of your organisation's own | yes |
| `[alerts.submission]` | SMTP AUTH for the mailbox, and the permission to send; an OAuth flow | **no** |

Set two ways, and at least one that works while the login is halted. `check` reports it (exit code 1) if
`[alerts.submission]` is the only one.

### Through a relay
NHSmail's relay is `relay.nhs.uk`, port 25. It is reachable only from HSCN. It accepts mail only from machines whose
addresses are registered with it:

```toml
[alerts.relay]
host = "relay.nhs.uk"
from = "nhsmail-worker@your-trust.nhs.uk"
to = ["duty.team@nhs.net"]
```

`from` is one of your organisation's own addresses. NHSmail deletes mail from a relay that claims to come from an
address at nhs.net. It doesn't put that mail in junk, and tells nobody. So the worker doesn't accept an address at
nhs.net as `from`, and doesn't start without `from`.

### From the account itself
```toml
[alerts.submission]
to = ["duty.team@nhs.net"]
```

The mail goes to `smtp.office365.com`, port 587, after STARTTLS. The sender is the account's address, and the sign-in is
the same as for reading the mailbox. [What has to be granted](nhsmail.md#alerts-from-the-account-itself). What this does
to the account:

- The worker never sends a password for this, neither over SMTP nor to the sign-in service. The only mechanism is
  XOAUTH2.
- The worker asks for a token only after the server has proved its certificate and name, and offers XOAUTH2.
- The login's own count doesn't change: no attempt is spent or restored. A token holds no password, so Microsoft doesn't
  count a refused token as a failed password. A tenant might count refused tokens in some other way. So the worker tries
  a refused token again after 1 minute, 10 minutes, an hour, 4 hours, and then once a day. The journal records the try
  before the token goes out, so a restart doesn't shorten the wait. `alerts test` tries at once, and a success ends the
  wait.
- While the login is halted, or waits after an answer about the credential, this way sends nothing. It also never asks
  for a token at the same time as the login does.

## Causes, and what to do
`cause` is the word in the log (`alert.not_sent`). `alerts test` also shows the server's answer. The log never does.
Unless the table says otherwise, no alert arrives this way until the cause is fixed, and the worker keeps trying. """

_TITLES: Final[Mapping[Way, str]] = {
    "relay": "Through a relay",
    "submission": "From the account itself",
    "webhook": "Webhooks",
}
_SAID: Final[Mapping[Why, str]] = {
    Why.NOT_TRUSTED: "a certificate that is self-signed, or from an unknown authority",
    Why.WRONG_NAME: "a certificate for another name",
    Why.NO_STARTTLS: "no STARTTLS",
    Why.DROPPED: "the connection ends before the delivery",
    Why.SLOW: "no answer in 10 s, or no end in 45 s",
    Why.CLIENT_REFUSED: "`554` as greeting, `550` to EHLO",
    Why.NOT_AUTHENTICATED: "`530 5.7.57 Client not authenticated to send mail`",
    Why.SENDER_REFUSED: "`550 5.7.1 sender denied`, `550 5.1.8`",
    Why.SEND_AS_DENIED: "`550 5.7.60`, `554 5.2.252 SendAsDenied`",
    Why.RECIPIENTS_REFUSED: "`550 5.1.1`, for everybody in `to`",
    Why.RELAYING_DENIED: "`550 5.7.54 Unable to relay`",
    Why.NO_ROOM: "`452`, `552`",
    Why.NO_XOAUTH2: "no `AUTH XOAUTH2`; `504`",
    Why.SMTP_AUTH_OFF: "`535 5.7.139 … SmtpClientAuthentication is disabled for the Tenant` (or `Mailbox`)",
    Why.SIGN_IN_BLOCKED: "`535 5.7.139 … did not meet the criteria`",
    Why.TOKEN_NOT_TAKEN: "`535 5.7.3 Authentication unsuccessful`",
    Why.BAD_REQUEST: "`400`",
    Why.FORBIDDEN: "`401`, `403`",
    Why.GONE: "`404`, `410`",
    Why.REDIRECTED: "`301`, `302`, `307`, `308`",
    Why.SERVER_FAULT: "`500` and above",
}
_THROTTLED: Final[Mapping[Way, str]] = {
    "relay": "`421`, `450`, `451`",
    "submission": "`421`, `432`, `450`, `451`, `454`",
    "webhook": "`429`",
}
_NAMES: Final[Mapping[Way, Mapping[str, str]]] = {
    "relay": {"server": "the relay", "table": "`[alerts.relay]`"},
    "submission": {"server": "the server", "table": "`[alerts.submission]`"},
    "webhook": {"server": "the webhook", "table": "`teams_webhook_file` (or `slack_`, `json_`)"},
}
_USUAL: Final = told("relay", Why.OTHER).means


def page() -> str:
    """Return docs/alerts.md."""
    return "\n".join([_HEAD, *(line for way in WAYS for line in _table(way))])


def _table(way: Way) -> Iterator[str]:
    yield f"### {_TITLES[way]}"
    yield ""
    yield "| cause | the server's answer | what happened | what to do |"
    yield "|---|---|---|---|"
    for why in possible(way):
        found = told(way, why)
        happened = found.happened if found.means == _USUAL else f"{found.happened} {found.means}"
        said = _THROTTLED[way] if why is Why.THROTTLED else _SAID.get(why, "–")
        yield f"| `{why.value}` | {said} | {_filled(happened, way)} | {_filled(found.do, way)} |"
    yield ""


def _filled(text: str, way: Way) -> str:
    return in_words(
        text.replace("The relay {server}", "{server}"),
        account="MAILBOX",
        who="the Local Administrator",
        helpdesk="the helpdesk",
        relay_helpdesk="the relay helpdesk",
        **_NAMES[way],
    )


if __name__ == "__main__":
    sys.stdout.write(page().rstrip("\n") + "\n")
