"""What each halt, wait and trouble is called, and what to do about it: the tables behind `phrases`."""

from typing import Final

JUNK_BY: Final = {
    "placement": "Junk folder",
    "exchange": "Exchange's headers",
    "trend": "Trend Micro's headers",
    "spamassassin": "SpamAssassin's headers",
    "rspamd": "Rspamd's headers",
    "keyword": "Keyword",
}
"""Where the evidence comes from that made a message junk, by its source."""

START: Final = "Mail waits until a worker runs: start it with `nhsmail-worker run`, or as a service."
UNLOCK: Final = "Then have the account unlocked, and run `nhsmail-worker login reset --reason …`."
RESET: Final = "Then run `nhsmail-worker login reset --reason …`."
CHANGE: Final = "Change the password of the account, then put it where the worker reads it: it goes on by itself."
RING: Final = "If the account doesn't let you, it may be locked: ring {administrator}."
HALTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "rejected": (
        "this password was rejected {failures}",
        (CHANGE, RING),
    ),
    "credential": ("the password was rejected {failures}", (CHANGE, RING)),
    "policy": (
        "the password breaks the password policy, so it can't be right and wasn't sent",
        (
            "Put the account's right password where the worker reads it: it goes on by itself.",
            "Run `nhsmail-worker login status`: it says which rule is broken, and which policy it would pass.",
            "Where the account follows another policy, set `password.policy`, and restart.",
        ),
    ),
    "journal": (
        "the journal may have forgotten login attempts, so none is made",
        ("Ask {administrator} whether the account is locked.", UNLOCK),
    ),
    "locked": ("the server says that the account is locked", ("Ring {administrator}.", UNLOCK)),
    "disabled": ("the server says that the account is disabled", ("Ring {administrator}.", UNLOCK)),
    "expired": (
        "the password has expired",
        (CHANGE, RING),
    ),
    "configuration": (
        "the mail server, or the sign-in service, doesn't accept this way of signing in",
        (
            "Run `nhsmail-worker login status`: it says what was answered, who acts, and what they do.",
            "Where the mail server refuses passwords, set `account.auth` to an OAuth flow, and restart.",
        ),
    ),
    "way_in": (
        "the mail server doesn't offer the way to log in that the settings name, so nothing was sent to it",
        (
            "Run `nhsmail-worker login status`: it says what the server offers.",
            "Then set `account.auth` to that and restart; or have ours allowed for this mailbox by {administrator}.",
        ),
    ),
    "oauth_only": (
        "Exchange Online takes no password over IMAP, so none was sent to it",
        (
            "Set `account.auth` to an OAuth flow, and restart: {administrator} has the application registered.",
            "`nhsmail-worker login reset` doesn't help. `nhsmail-worker login status` says more.",
        ),
    ),
    "protocol": ("the server doesn't understand the worker", ("Report it: it is a fault of the worker.",)),
    "sign_in_again": (
        "the sign-in has ended",
        (
            "Run `nhsmail-worker login authorise` and sign in again.",
            "Where no person signs in, `nhsmail-worker login status` says what to do.",
        ),
    ),
    "token": (
        "the server rejected the worker's tokens as often as it tries",
        ("Ask {administrator} whether the application may still read this mailbox.", RESET),
    ),
    "token_rejected": (
        "the server rejected the worker's token {failures}",
        ("Ask {administrator} whether the application may still read this mailbox.",),
    ),
}
EXCHANGE_REFUSES: Final = (
    "Exchange Online refused the password {failures}, most likely because it takes none over IMAP",
    (
        "Set `account.auth` to an OAuth flow, and restart.",
        "Ask {administrator} whether IMAP is on for this mailbox. If it takes passwords, this one may be wrong.",
    ),
)
"""Whatever is wrong, Exchange Online has one answer to a password."""
REFUSED_PASSWORD: Final = frozenset({"rejected", "credential", "budget"})
"""The reasons that come of refused passwords."""
COUNT_MISLEADS: Final = frozenset({"locked", "disabled", "journal"})
OTHER_HALT: Final = (
    "the attempts that the worker may use are spent, or must not be used ({failures} failed)",
    ("Ask {administrator} whether the account is locked.", UNLOCK),
)

WRONG_PASSWORD: Final = (
    "Check that the password which the worker reads is the account's present one.",
    "Don't restart the worker: it doesn't shorten the wait.",
)
PASSES: Final = "Nothing at once: it passes by itself, and costs no attempt."
COOLS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "throttled": (
        "The mail server asked for a pause.",
        (PASSES, "If it goes on for an hour, find out what else uses this mailbox over IMAP."),
    ),
    "unavailable": (
        "The mail server can't answer logins now.",
        (PASSES, "If it goes on for an hour, look at the mail service's own status page."),
    ),
    "lost_before_sending": (
        "The connection ended before the login.",
        (PASSES, "If it goes on for an hour, look at the network and the firewall."),
    ),
    "lost_after_sending": (
        "",
        (
            "Look at the network: the connection ended before the login was answered.",
            "A password that was sent then counts as rejected, a token doesn't.",
        ),
    ),
    "token_expired": ("The token has run out.", (PASSES,)),
    "token_rejected": (
        "",
        ("Ask {administrator} whether the application may still read this mailbox.", WRONG_PASSWORD[1]),
    ),
}
TROUBLES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "unreachable": (
        "The mail server can't be reached, or ends the connection",
        ("Look at the network, at the firewall to the mail server, and at the mail service's own status page.",),
    ),
    "proxy": (
        "The proxy makes no connection to the mail server",
        (
            "Read the `advice` of the log's line `worker.not_ready`: it says what the proxy said, and whom to ask.",
            "Then run `nhsmail-worker login doctor`. Nothing at the account is wrong, and no attempt is spent.",
        ),
    ),
    "certificate": (
        "The mail server's certificate isn't trusted, so nothing was sent to it",
        (
            "Find out who answers there: `account.host` may be wrong, or a proxy may present a certificate of its own.",
            "Where that is meant, name its authority in `account.ca_file`, and restart.",
        ),
    ),
    "tls": (
        "TLS with the mail server fails before anything is sent to it, and not because of its certificate",
        (
            "Check `account.host` and `account.port`: 993 speaks TLS from the first byte, 143 doesn't.",
            "Find out what stands between: a proxy or firewall may allow only an older TLS than 1.2.",
        ),
    ),
    "not-connected": (
        "The mail server accepts the login but doesn't open the mailbox",
        (
            "Nothing at once: mostly it passes by itself, as load on the server does.",
            "If it goes on for an hour, ask the Local Administrator whether IMAP is enabled for this mailbox.",
            "With OAuth, ask as well whether the application may read it.",
        ),
    ),
    "no-way-in": (
        "The mail server doesn't offer the way to log in that the settings name",
        ("Run `nhsmail-worker login status`: it says what the server offers.",),
    ),
    "preauth": (
        "The mail server says that we are logged in before we are, so nothing was sent to it, and no mail is taken",
        ("Check `account.host` and `account.port`, and what answers there: whose mailbox that is isn't known.",),
    ),
    "throttled": COOLS["throttled"],
    "mailbox": (
        "The mailbox isn't as the settings say",
        (
            "Read the `advice` of the log's line `worker.not_ready`: it names the folder, or what the server lacks.",
            "Then run `nhsmail-worker check --connect`.",
        ),
    ),
    "no-credential": (
        "There is nothing to log in with",
        (
            "Run `nhsmail-worker check`: it says which file is missing or can't be read.",
            "Where a person signs in: `nhsmail-worker login authorise`.",
        ),
    ),
    "attempt-in-progress": (
        "Another process is at a login of this account",
        ("Nothing, if it passes in a minute. Otherwise find out which other process uses this state folder.",),
    ),
    "fault": (
        "A fault of the worker's own ends its polls",
        ("Report the `error` of the log's line `worker.fault`.",),
    ),
}
NOT_REACHING: Final = (
    "Not reaching the mailbox",
    ("Look at the network, at the mail service's own status page, and at the log's lines of level error.",),
)
