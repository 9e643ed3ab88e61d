"""What a person is told about an alert that couldn't be delivered: what happened, what it means, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from worker.observe.send_failure import Why

Way = Literal["relay", "submission", "webhook"]
WAYS: Final[tuple[Way, ...]] = ("relay", "submission", "webhook")


@dataclass(frozen=True, slots=True)
class Told:
    """What a person is told. `{server}`, `{account}`, `{table}`, `{who}` and the like are put in by `told`."""

    happened: str
    do: str
    means: str = "No alert arrives this way until it is fixed. The worker keeps trying, and then sends what is due."


_PASSES: Final = "This usually ends on its own. The worker tries again, at least every ten minutes."
_RESTS: Final = (
    "No alert arrives this way. To protect the account, the worker tries this sign-in less and less often, down to "
    "once a day. The login to the mailbox isn't affected."
)
_NOTHING_SENT: Final = "No attempt was spent. Other ways for alerts aren't affected."
_TRUST: Final = (
    "Check `host` in {table}. If a private authority signed the certificate, name its file there in `ca_file`."
)
_GRANT: Final = (
    "Ask {who} to grant SMTP.Send and give consent (for an application with its own permission, SMTP.SendAsApp)"
)

_EVERYWHERE: Final[Mapping[Why, Told]] = {
    Why.NO_SUCH_HOST: Told(
        "The name of {server} can't be resolved.", "Check `host` in {table}, and this machine's name server."
    ),
    Why.UNREACHABLE: Told(
        "{server} can't be reached.", "Check `host` and `port` in {table}, and that the firewall lets this machine out."
    ),
    Why.PROXY: Told(
        "The proxy made no connection to {server}. Nothing was sent.",
        "Ask whoever runs the proxy, and check [proxy].",
    ),
    Why.SLOW: Told(
        "{server} didn't answer in time.",
        "Check that it is up, and that nothing between holds the connection. The alert may have arrived anyway, and "
        "may then arrive twice.",
        _PASSES,
    ),
    Why.DROPPED: Told(
        "{server} ended the connection before the alert was delivered.",
        "Check its log, and the network between. The alert may have arrived anyway, and may then arrive twice.",
        _PASSES,
    ),
    Why.NOT_TRUSTED: Told("{server} has a certificate that no trusted authority has signed. Nothing was sent.", _TRUST),
    Why.WRONG_NAME: Told(
        "{server} has a certificate for another name. Nothing was sent.",
        "Check `host` in {table}: it must be the name in the certificate. Verification can't be turned off.",
    ),
    Why.CERTIFICATE_EXPIRED: Told(
        "The certificate of {server} has expired. Nothing was sent.",
        "Ask the people who run it to renew the certificate, and check this machine's clock.",
    ),
    Why.TLS_FAILED: Told(
        "{server} and the worker found no common TLS. Nothing was sent.",
        "Check `port` in {table}. The worker needs TLS 1.2 or newer.",
    ),
    Why.NOT_TLS: Told(
        "{server} answers, but this port doesn't speak TLS. Nothing was sent.", "Check `port` in {table}."
    ),
    Why.STILL_SENDING: Told(
        "{server} still hasn't finished the previous delivery. It answers too slowly.",
        "Check that it is up. If this lasts, restart the worker.",
    ),
    Why.NO_STARTTLS: Told(
        "{server} offers no STARTTLS. Nothing was sent.",
        "Ask for STARTTLS to be turned on there. Or accept clear text: add this line to [alerts.relay]: allow_clear "
        "= true",
    ),
    Why.CLIENT_REFUSED: Told(
        "{server} doesn't accept mail from this machine.",
        "Ask {relay_helpdesk} to register this machine's address with the relay.",
    ),
    Why.NOT_AUTHENTICATED: Told(
        "{server} accepts mail only after a sign-in, but the worker doesn't sign in to a relay.",
        "Check `host` in {table}: this is a submission server. To send with the account's own sign-in, use "
        "[alerts.submission].",
    ),
    Why.SENDER_REFUSED: Told(
        "{server} refuses the sender.",
        "Check `from` in {table}. Ask {relay_helpdesk} which addresses this machine may send as.",
    ),
    Why.SEND_AS_DENIED: Told(
        "{server} doesn't allow this sender address.",
        "Set `from` in {table} to an address that this machine may send as. Ask {relay_helpdesk} which.",
    ),
    Why.RECIPIENTS_REFUSED: Told(
        "{server} doesn't accept mail for any address in `to`.",
        "Check each address in {table} `to`: it may be misspelt, or no longer exist.",
    ),
    Why.RELAYING_DENIED: Told(
        "{server} doesn't pass mail on for this machine.",
        "Ask {relay_helpdesk} to register this machine's address with the relay.",
    ),
    Why.THROTTLED: Told(
        "{server} asks the worker to wait.",
        "Nothing, unless it lasts for an hour. Then ask the people who run it who else sends there, and how much.",
        _PASSES,
    ),
    Why.NO_ROOM: Told(
        "{server} has no room: its own disk, the sender's mailbox or a mailbox in `to` is full.",
        "Make room in those mailboxes. If they have room, ask the people who run the server.",
    ),
    Why.OTHER: Told("{server} refused the mail.", "Ask the people who run the server what its answer means."),
}

_BY_WAY: Final[Mapping[tuple[Way, Why], Told]] = {
    ("relay", Why.UNREACHABLE): Told(
        "The relay {server} can't be reached.",
        "Check `host` and `port` in {table}. NHSmail's relay is reachable only from HSCN. Ask {relay_helpdesk}.",
    ),
    ("submission", Why.NO_STARTTLS): Told(
        "{server} offers no STARTTLS. Nothing was sent: a token never goes out in clear text.",
        "Check `host` and `port` in {table}: the service uses smtp.office365.com and 587. If they are right, a "
        "device in between removes STARTTLS: ask the people who run the network.",
    ),
    ("submission", Why.CLIENT_REFUSED): Told(
        "{server} refuses to talk to this machine.", "Check `host` and `port` in {table}, then ask {helpdesk}."
    ),
    ("submission", Why.NOT_AUTHENTICATED): Told(
        "{server} says that nobody is signed in, although it accepted the token.",
        "Ask {who} for `Set-CASMailbox {account} -SmtpClientAuthenticationDisabled $false`, then run "
        "`nhsmail-worker alerts test` again.",
    ),
    ("submission", Why.SENDER_REFUSED): Told(
        "{server} refuses {account} as the sender.",
        "Ask {who} whether the mailbox may send at all: outgoing mail may be blocked for it.",
    ),
    ("submission", Why.SEND_AS_DENIED): Told(
        "{server} accepted the sign-in, but the account that signs in isn't allowed to send as {account}.",
        "Ask {who} for `Add-RecipientPermission {account} -Trustee WHO-SIGNS-IN -AccessRights SendAs` (for an "
        "application, its service principal), then wait an hour.",
    ),
    ("submission", Why.RELAYING_DENIED): Told(
        "{server} doesn't accept mail for the addresses in `to`.",
        "Check each address in {table} `to`, then ask {helpdesk}.",
    ),
    ("submission", Why.NO_XOAUTH2): Told(
        "{server} offers no sign-in by token (XOAUTH2). Nothing was sent: the worker never sends a password.",
        "Check `host` in {table}: smtp.office365.com offers it. Otherwise use another way for alerts.",
    ),
    ("submission", Why.SMTP_AUTH_OFF): Told(
        "Sending by SMTP with a sign-in is switched off for {account} or for its whole tenant.",
        "Ask {who} for `Set-CASMailbox {account} -SmtpClientAuthenticationDisabled $false`. The mailbox's own "
        "setting takes precedence over the tenant's. It takes up to an hour.",
        _RESTS,
    ),
    ("submission", Why.SIGN_IN_BLOCKED): Told(
        "A rule of the tenant forbids this sign-in (conditional access, security defaults, or a locked account).",
        "Ask {who} which rule it is. Run `nhsmail-worker login status`: if the mailbox can't be read either, fix "
        "that first.",
        _RESTS,
    ),
    ("submission", Why.TOKEN_NOT_TAKEN): Told(
        "{server} accepted neither the token nor the sign-in. Most likely the permission to send is missing.",
        f"{_GRANT}. For an application, ask also for FullAccess to {{account}} for its service principal. Then run "
        "`nhsmail-worker login authorise` (not for an application), and `nhsmail-worker alerts test`.",
        _RESTS,
    ),
    ("submission", Why.LOGIN_HALTED): Told(
        "The login is halted. Until it works again, its sign-in sends nothing.",
        "Run `nhsmail-worker login status`, and do what it says. Set a second way for alerts.",
        _NOTHING_SENT,
    ),
    ("submission", Why.LOGIN_COOLING): Told(
        "The login waits after a refusal. Until it works again, its sign-in sends nothing.",
        "Run `nhsmail-worker login status`, and do what it says.",
        _NOTHING_SENT,
    ),
    ("submission", Why.ATTEMPT_IN_PROGRESS): Told(
        "A login attempt is in progress, so the worker sends nothing now.",
        "Run it again in a minute. The worker tries again on its own.",
        _NOTHING_SENT,
    ),
    ("submission", Why.RESTING): Told(
        "The server refused to send with this sign-in. The worker isn't trying it again yet.",
        "Run `nhsmail-worker alerts test`: it tries at once, and shows what is wrong.",
        _RESTS,
    ),
    ("submission", Why.NO_SIGN_IN): Told(
        "There is no sign-in to send with.",
        f"{_GRANT}. Then run `nhsmail-worker login authorise` again, which asks for it, and `nhsmail-worker alerts "
        "test`. The worker still reads mail as before.",
        _NOTHING_SENT,
    ),
    ("submission", Why.TOKEN_REFUSED): Told(
        "The sign-in service gives no token for sending.",
        f"{_GRANT}. Then run `nhsmail-worker login authorise` (not for an application), and `nhsmail-worker alerts "
        "test`.",
        _RESTS,
    ),
    ("submission", Why.NO_TOKEN): Told(
        "The sign-in service can't be reached, or gave no answer.", "Check the network, and [account.oauth].", _PASSES
    ),
    ("submission", Why.NO_COUNT): Told(
        "The journal can't be used, so the worker couldn't count a refusal.",
        "Free space on the disk of the state folder, or restart the database.",
        _NOTHING_SENT,
    ),
    ("webhook", Why.BAD_REQUEST): Told(
        "{server} doesn't understand the alert.",
        "Check that the URL fits its setting: a Teams workflow, a Slack incoming webhook, or your own service that "
        "accepts plain JSON.",
    ),
    ("webhook", Why.FORBIDDEN): Told(
        "{server} doesn't let the worker post: the secret in its URL is wrong, or was revoked.",
        "Ask for a new URL, and put it in the file that {table} names.",
    ),
    ("webhook", Why.GONE): Told(
        "{server} says that its URL doesn't exist: it was deleted or switched off.",
        "Ask for a new URL, and put it in the file that {table} names.",
    ),
    ("webhook", Why.REDIRECTED): Told(
        "{server} redirects to another address, which the worker doesn't follow.",
        "If the new address is yours, put it in the file that {table} names.",
    ),
    ("webhook", Why.SERVER_FAULT): Told("{server} has a fault.", "Check the service's own status page.", _PASSES),
    ("webhook", Why.NOT_TRUSTED): Told(
        "{server} has a certificate that no trusted authority has signed. Nothing was sent.",
        "Check the URL. Add a private authority to the system's store, or to the file that SSL_CERT_FILE names.",
    ),
    ("webhook", Why.WRONG_NAME): Told(
        "{server} has a certificate for another name. Nothing was sent.",
        "Check the URL: its host must be a name in the certificate. Verification can't be turned off.",
    ),
    ("webhook", Why.UNREACHABLE): Told(
        "{server} can't be reached.", "Check the URL, and that the firewall lets this machine out to it."
    ),
    ("webhook", Why.NO_SUCH_HOST): Told("No address is known for {server}.", "Check the URL, and this machine's DNS."),
    ("webhook", Why.OTHER): Told("{server} didn't accept the alert.", "Check the URL."),
}

_MAIL_WITHOUT_SIGN_IN: Final = frozenset(_EVERYWHERE)
_WEBHOOKS: Final = frozenset(
    {Why.SLOW, Why.DROPPED, Why.CERTIFICATE_EXPIRED, Why.TLS_FAILED, Why.STILL_SENDING, Why.THROTTLED}
)


def told(way: Way, why: Why) -> Told:
    """Return what a person is told of a failure of this kind of channel."""
    return _BY_WAY.get((way, why)) or _EVERYWHERE.get(why) or _EVERYWHERE[Why.OTHER]


def in_words(text: str, **names: str) -> str:
    """Return a text with what its placeholders stand for."""
    found = text.format(**names)
    return f"The{found[3:]}" if found.startswith("the ") else found


def possible(way: Way) -> list[Why]:
    """Return what can go wrong with this kind of channel, in the order of `Why`."""
    own = {why for of, why in _BY_WAY if of == way}
    shared = _WEBHOOKS if way == "webhook" else _MAIL_WITHOUT_SIGN_IN
    return [why for why in Why if why in own | shared]
