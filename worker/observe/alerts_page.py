"""Writes docs/alerts.md from the table: `python -m worker.observe.alerts_page > docs/alerts.md`."""

import sys
from collections.abc import Iterator, Mapping
from typing import Final

from worker.observe.send_advice import WAYS, Way, in_words, possible, told
from worker.observe.send_failure import Why

_HEAD: Final = """\
# Alerts that arrive

<!-- Written by `python -m worker.observe.alerts_page`; a test compares the two. -->

The worker tells people of trouble by each way that [`[alerts]`](configuration.md#alerts) names: webhooks (Teams,
Slack, plain JSON), mail through a relay, and mail from the account itself. Each way is on its own: what one of them
refuses, or holds for 45 seconds, keeps nothing from the others, and is sent to it again: at the next look, after 1, 2,
5 and then each 10 minutes. What was sent is written down after each one, so a restart sends nothing twice by a way that
works. A way that takes an alert, and breaks off before it says so, gets it again in the same way.

```sh
nhsmail-worker alerts test
```

sends one trial alert by each way, and prints for each whether it was accepted, what came back, what that means and
what to do. `--json` prints the same for programs. It ends with 0 if all were accepted, with 1 if one wasn't, and
with 78 if no way is set. *Accepted* is the next server's word. Ask somebody in `to` whether the mail came, and in
which folder.

## Which way

| way | needs | works while the login is halted |
|---|---|---|
| a webhook | HTTPS out to its host, through the firewall | yes |
| `[alerts.relay]` | a relay that takes mail from this machine, and a sender address of your organisation's own | yes |
| `[alerts.submission]` | SMTP AUTH for the mailbox, and the permission to send; an OAuth flow | **no** |

Two ways are better than one, and one of them should work while the login is halted: `check` says, with exit code 1,
where `[alerts.submission]` is alone.

### Through a relay
NHSmail's relay is `relay.nhs.uk`, port 25. It is reached from HSCN alone, and takes mail from addresses of machines
that were registered with it:

```toml
[alerts.relay]
host = "relay.nhs.uk"
from = "nhsmail-worker@your-trust.nhs.uk"
to = ["duty.team@nhs.net"]
```

`from` is an address of your organisation's own. NHSmail deletes mail that claims to be from an address at nhs.net
and didn't come from an account there by its own sign-in. It isn't put among the junk, and nobody is told. So the
worker accepts no address at nhs.net as `from`, and doesn't start where `from` is missing.

### From the account itself
```toml
[alerts.submission]
to = ["duty.team@nhs.net"]
```

The mail goes to `smtp.office365.com`, port 587, after STARTTLS, with the account's address as sender, by the same
sign-in that the mailbox is read with. [What has to be granted](nhsmail.md#alerts-from-the-account-itself). What it
does, and what it doesn't do, to the account:

- No password is ever sent, neither over SMTP nor, for this, to the sign-in service. The only mechanism is XOAUTH2.
- A token is asked for only once the server has proved its certificate and name, and offers XOAUTH2.
- The login's own count isn't touched: no attempt is spent, and none is refilled. A refused token holds no password,
  so it isn't a failed password at Microsoft. Whether a tenant counts refused tokens in some way of its own isn't
  known. So a refused one is tried again after 1 minute, 10 minutes, an hour, 4 hours, and then once a day. The
  count is in the journal before the token goes out, so no restart shortens the wait. `alerts test` tries at once,
  and a success ends the wait.
- While the login is halted, or waits after an answer that was about the credential, nothing is sent by it. Nor is a
  token asked for at the same time as the login asks for one.

## What is told, and what to do
`cause` is the word in the log (`alert.not_sent`). What the server said stands beside it in `alerts test`, and never
in the log. Where nothing else is said, no alert arrives this way until it is done, and the worker goes on trying.
"""
_TITLES: Final[Mapping[Way, str]] = {
    "relay": "Through a relay",
    "submission": "From the account itself",
    "webhook": "Webhooks",
}
_SAID: Final[Mapping[Why, str]] = {
    Why.NOT_TRUSTED: "a certificate that is self-signed, or of an unknown authority",
    Why.WRONG_NAME: "a certificate for another name",
    Why.NO_STARTTLS: "no STARTTLS",
    Why.DROPPED: "the connection ends in the midst of it",
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
    yield "| cause | said or seen | what happened | what to do |"
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
