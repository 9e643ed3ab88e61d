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
    means: str = "No alert arrives this way until it is mended; the worker goes on trying, and sends what is due then."


_PASSES: Final = "Mostly this passes by itself: the worker tries again, down to once in ten minutes."
_RESTS: Final = (
    "No alert arrives this way. The worker tries this sign-in less and less often, down to once a day, so that nothing "
    "endangers the account; the mailbox's own login isn't touched."
)
_NOTHING_SENT: Final = "No attempt was spent, and the other ways go on."
_TRUST: Final = "Check `host` in {table}; a certificate of a private authority needs its file named there in `ca_file`."
_GRANT: Final = (
    "Have {who} see that SMTP.Send (for an application of its own, SMTP.SendAsApp) is granted and consented to"
)

_EVERYWHERE: Final[Mapping[Why, Told]] = {
    Why.NO_SUCH_HOST: Told("No address is known for {server}.", "Check `host` in {table}, and this machine's DNS."),
    Why.UNREACHABLE: Told(
        "{server} can't be reached.", "Check `host` and `port` in {table}, and that the firewall lets this machine out."
    ),
    Why.PROXY: Told(
        "The proxy made no connection to {server}. Nothing was sent.",
        "Ask whoever runs the proxy, and check [proxy].",
    ),
    Why.SLOW: Told(
        "{server} didn't answer in time.",
        "Look whether it is up, and whether something between holds the connection. The alert may have arrived all the "
        "same, and then comes twice.",
        _PASSES,
    ),
    Why.DROPPED: Told(
        "{server} ended the connection in the midst of it.",
        "Look at its log, or at what stands between. The alert may have arrived all the same, and then comes twice.",
        _PASSES,
    ),
    Why.NOT_TRUSTED: Told("{server} has a certificate that nobody trusted has signed. Nothing was sent.", _TRUST),
    Why.WRONG_NAME: Told(
        "{server} has a certificate for another name. Nothing was sent.",
        "Check `host` in {table}: it must be the name in the certificate. Verification can't be turned off.",
    ),
    Why.CERTIFICATE_EXPIRED: Told(
        "The certificate of {server} has expired. Nothing was sent.",
        "Have its people renew it, and check this machine's clock.",
    ),
    Why.TLS_FAILED: Told(
        "{server} and the worker found no common TLS. Nothing was sent.",
        "Check `port` in {table}. The worker needs TLS 1.2 or newer.",
    ),
    Why.STILL_SENDING: Told(
        "{server} still holds the delivery before this one, and answers too slowly to be waited for.",
        "Look whether it is up. If this lasts, restart the worker.",
    ),
    Why.NO_STARTTLS: Told(
        "{server} offers no STARTTLS. Nothing was sent.",
        "Have it turned on there, or accept clear text by adding to [alerts.relay] the line: allow_clear = true",
    ),
    Why.CLIENT_REFUSED: Told(
        "{server} takes no mail from this machine.",
        "Have this machine's address registered with the relay: ask {relay_helpdesk}.",
    ),
    Why.NOT_AUTHENTICATED: Told(
        "{server} takes mail only after a sign-in, and a relay gets none.",
        "Check `host` in {table}: this is a server for submission. For the account's own sign-in there is "
        "[alerts.submission].",
    ),
    Why.SENDER_REFUSED: Told(
        "{server} refuses the sender.",
        "Check `from` in {table}: which addresses may this machine send as? Ask {relay_helpdesk}.",
    ),
    Why.SEND_AS_DENIED: Told(
        "{server} doesn't let this sender's name be used.",
        "Name in {table} `from` an address that this machine may send as: ask {relay_helpdesk}.",
    ),
    Why.RECIPIENTS_REFUSED: Told(
        "{server} takes mail for none of those in `to`.", "Check each address in {table} `to`: is it gone or misspelt?"
    ),
    Why.RELAYING_DENIED: Told(
        "{server} doesn't pass mail on for this machine.",
        "Have this machine's address registered with the relay: ask {relay_helpdesk}.",
    ),
    Why.THROTTLED: Told(
        "{server} asks to be left alone for a while.",
        "Nothing, unless it lasts for an hour: then ask its people who else sends there, and how much.",
        _PASSES,
    ),
    Why.NO_ROOM: Told(
        "{server} has no room: its own disk, the sender's mailbox or that of somebody in `to` is full.",
        "Make room in those mailboxes. Where they have room, ask the server's people.",
    ),
    Why.OTHER: Told("{server} refused the mail.", "Ask its people what its words mean."),
}

_BY_WAY: Final[Mapping[tuple[Way, Why], Told]] = {
    ("relay", Why.UNREACHABLE): Told(
        "The relay {server} can't be reached.",
        "Check `host` and `port` in {table}. NHSmail's relay is reached from HSCN alone: ask {relay_helpdesk}.",
    ),
    ("submission", Why.NO_STARTTLS): Told(
        "{server} offers no STARTTLS. Nothing was sent: a token never goes out in clear text.",
        "Check `host` and `port` in {table}: smtp.office365.com and 587 are the service's own. If they are right, "
        "something between takes STARTTLS away: ask who runs the network.",
    ),
    ("submission", Why.CLIENT_REFUSED): Told(
        "{server} refuses to talk to this machine.", "Check `host` and `port` in {table}; ask {helpdesk}."
    ),
    ("submission", Why.NOT_AUTHENTICATED): Told(
        "{server} says that nobody is signed in, though it took the token.",
        "Ask {who} for `Set-CASMailbox {account} -SmtpClientAuthenticationDisabled $false`, then run "
        "`nhsmail-worker alerts test` again.",
    ),
    ("submission", Why.SENDER_REFUSED): Told(
        "{server} refuses {account} as the sender.",
        "Ask {who} whether the mailbox may send at all: outgoing mail may be blocked for it.",
    ),
    ("submission", Why.SEND_AS_DENIED): Told(
        "{server} took the sign-in, and whoever signs in may not send as {account}.",
        "Ask {who} for `Add-RecipientPermission {account} -Trustee WHO-SIGNS-IN -AccessRights SendAs` (for an "
        "application, its service principal), then wait an hour.",
    ),
    ("submission", Why.RELAYING_DENIED): Told(
        "{server} doesn't take mail for those in `to`.", "Check each address in {table} `to`; ask {helpdesk}."
    ),
    ("submission", Why.NO_XOAUTH2): Told(
        "{server} offers no sign-in by token (XOAUTH2). Nothing was sent: no password ever is.",
        "Check `host` in {table}; smtp.office365.com offers it. Otherwise use another way for alerts.",
    ),
    ("submission", Why.SMTP_AUTH_OFF): Told(
        "Sending by SMTP with a sign-in is switched off for {account} or for its whole tenant.",
        "Ask {who} for `Set-CASMailbox {account} -SmtpClientAuthenticationDisabled $false`; where it is off for the "
        "tenant, that of the mailbox goes first. It takes up to an hour.",
        _RESTS,
    ),
    ("submission", Why.SIGN_IN_BLOCKED): Told(
        "A rule of the tenant forbids this sign-in (conditional access, security defaults, or a locked account).",
        "Ask {who} which rule it is. Run `nhsmail-worker login status`: if the mailbox can't be read either, mend that "
        "first.",
        _RESTS,
    ),
    ("submission", Why.TOKEN_NOT_TAKEN): Told(
        "{server} took neither token nor sign-in: most likely the permission to send is missing.",
        f"{_GRANT}, and for an application that its service principal has FullAccess to {{account}}. Then run "
        "`nhsmail-worker login authorise` (not for an application), and `nhsmail-worker alerts test`.",
        _RESTS,
    ),
    ("submission", Why.LOGIN_HALTED): Told(
        "The login is halted, and its sign-in sends nothing until that is over.",
        "Run `nhsmail-worker login status`, and do what it says. Have another way for alerts beside this one.",
        _NOTHING_SENT,
    ),
    ("submission", Why.LOGIN_COOLING): Told(
        "The login waits after a refusal, and its sign-in sends nothing meanwhile.",
        "Run `nhsmail-worker login status`, and do what it says.",
        _NOTHING_SENT,
    ),
    ("submission", Why.ATTEMPT_IN_PROGRESS): Told(
        "A login is being attempted at this moment, and nothing is done beside it.",
        "Run it again in a minute. The worker tries again by itself.",
        _NOTHING_SENT,
    ),
    ("submission", Why.RESTING): Told(
        "This sign-in was refused for sending, and isn't tried again yet.",
        "Run `nhsmail-worker alerts test`: it tries at once, and says what is wrong.",
        _RESTS,
    ),
    ("submission", Why.NO_SIGN_IN): Told(
        "There is no sign-in to send with.",
        f"{_GRANT}. Then run `nhsmail-worker login authorise` again, which asks for it, and `nhsmail-worker alerts "
        "test`. Mail is read meanwhile as before.",
        _NOTHING_SENT,
    ),
    ("submission", Why.TOKEN_REFUSED): Told(
        "The sign-in service gives no token to send with.",
        f"{_GRANT}. Then run `nhsmail-worker login authorise` (not for an application), and `nhsmail-worker alerts "
        "test`.",
        _RESTS,
    ),
    ("submission", Why.NO_TOKEN): Told(
        "The sign-in service can't be reached, or gave no answer.", "Check the network, and [account.oauth].", _PASSES
    ),
    ("submission", Why.NO_COUNT): Told(
        "The journal can't be used, so that a refusal couldn't be counted.",
        "Free the disk of the state folder, or bring the database back.",
        _NOTHING_SENT,
    ),
    ("webhook", Why.BAD_REQUEST): Told(
        "{server} doesn't understand what it is sent.",
        "Check that the URL is of the kind that its setting says: a Teams workflow, a Slack incoming webhook, or one "
        "of your own that takes plain JSON.",
    ),
    ("webhook", Why.FORBIDDEN): Told(
        "{server} doesn't let us post there: the secret in its URL is wrong, or was taken back.",
        "Have a new URL made, and put it in the file that {table} names.",
    ),
    ("webhook", Why.GONE): Told(
        "{server} says that there is nothing at its URL: it was deleted or switched off.",
        "Have a new URL made, and put it in the file that {table} names.",
    ),
    ("webhook", Why.REDIRECTED): Told(
        "{server} sends us on to another address, which the worker doesn't follow.",
        "Put the address that it sends on to in the file that {table} names, if it is yours.",
    ),
    ("webhook", Why.SERVER_FAULT): Told(
        "{server} has a fault of its own.", "Look at the service's own status page.", _PASSES
    ),
    ("webhook", Why.NOT_TRUSTED): Told(
        "{server} has a certificate that nobody trusted has signed. Nothing was sent.",
        "Check the URL. A private authority belongs in the system's store, or in the file that SSL_CERT_FILE names.",
    ),
    ("webhook", Why.WRONG_NAME): Told(
        "{server} has a certificate for another name. Nothing was sent.",
        "Check the URL: its host must be a name in the certificate. Verification can't be turned off.",
    ),
    ("webhook", Why.UNREACHABLE): Told(
        "{server} can't be reached.", "Check the URL, and that the firewall lets this machine out to it."
    ),
    ("webhook", Why.NO_SUCH_HOST): Told("No address is known for {server}.", "Check the URL, and this machine's DNS."),
    ("webhook", Why.OTHER): Told("{server} didn't take the alert.", "Check the URL."),
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
