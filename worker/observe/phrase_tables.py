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
UNLOCK: Final = "Ask for the account to be unlocked, then run `nhsmail-worker login reset --reason …`."
RESET: Final = "Then run `nhsmail-worker login reset --reason …`."
CHANGE: Final = (
    "Change the password of the account, then put it where the worker reads it. The worker continues on its own."
)
RING: Final = "If you can't, the account may be locked: ring {administrator}."
HALTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "rejected": (
        "this password was rejected {failures}",
        (CHANGE, RING),
    ),
    "credential": ("the password was rejected {failures}", (CHANGE, RING)),
    "policy": (
        "the password breaks the password policy, so it can't be right and wasn't sent",
        (
            "Put the account's right password where the worker reads it. The worker continues on its own.",
            (
                "Run `nhsmail-worker login status`: it names the broken rule, and the policies that the password would "
                "pass."
            ),
            "If the account follows another policy, set `password.policy`, and restart the worker.",
        ),
    ),
    "journal": (
        "the journal may have forgotten login attempts, so the worker makes none",
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
            "Run `nhsmail-worker login status`: it shows the answer, who acts, and what they do.",
            "If the mail server refuses passwords, set `account.auth` to an OAuth flow, and restart the worker.",
        ),
    ),
    "way_in": (
        "the mail server doesn't offer the login method in the settings, so nothing was sent to it",
        (
            "Run `nhsmail-worker login status`: it shows what the server offers.",
            (
                "Then set `account.auth` to that, and restart the worker. Or ask {administrator} to allow the present "
                "method for this mailbox."
            ),
        ),
    ),
    "oauth_only": (
        "Exchange Online doesn't accept passwords over IMAP, so none was sent to it",
        (
            ("Ask {administrator} to register the application. Then set `account.auth` to an OAuth flow, and restart."),
            "`nhsmail-worker login reset` doesn't help. `nhsmail-worker login status` says more.",
        ),
    ),
    "protocol": ("the server doesn't understand the worker", ("Report it: it is a fault in the worker.",)),
    "sign_in_again": (
        "the sign-in has ended",
        (
            "Run `nhsmail-worker login authorise` and sign in again.",
            "If no person signs in, run `nhsmail-worker login status`: it says what to do.",
        ),
    ),
    "token": (
        "the server rejected as many tokens as the worker may try",
        ("Ask {administrator} whether the application may still read this mailbox.", RESET),
    ),
    "token_rejected": (
        "the server rejected the worker's token {failures}",
        ("Ask {administrator} whether the application may still read this mailbox.",),
    ),
}
EXCHANGE_REFUSES: Final = (
    "Exchange Online refused the password {failures}, most likely because it accepts no passwords over IMAP",
    (
        "Set `account.auth` to an OAuth flow, and restart the worker.",
        "Ask {administrator} whether IMAP is on for this mailbox. If it accepts passwords, this one may be wrong.",
    ),
)
"""Whatever is wrong, Exchange Online has one answer to a password."""
REFUSED_PASSWORD: Final = frozenset({"rejected", "credential", "budget"})
"""The reasons that come of refused passwords."""
COUNT_MISLEADS: Final = frozenset({"locked", "disabled", "journal"})
OTHER_HALT: Final = (
    "the worker has no login attempts left, or must not use them (failed {failures})",
    ("Ask {administrator} whether the account is locked.", UNLOCK),
)

WRONG_PASSWORD: Final = (
    "Check that the worker reads the account's present password.",
    "Don't restart the worker: a restart doesn't shorten the wait.",
)
PASSES: Final = "Nothing at once. It usually ends on its own, and costs no attempt."
COOLS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "throttled": (
        "The mail server asked for a pause.",
        (PASSES, "If it lasts for an hour, find out what else uses this mailbox over IMAP."),
    ),
    "unavailable": (
        "The mail server can't answer logins now.",
        (PASSES, "If it lasts for an hour, check the mail service's own status page."),
    ),
    "lost_before_sending": (
        "The connection ended before the login.",
        (PASSES, "If it lasts for an hour, check the network and the firewall."),
    ),
    "lost_after_sending": (
        "",
        (
            "Check the network: the connection ended before the server answered the login.",
            "A password that was sent counts as rejected. A token doesn't.",
        ),
    ),
    "token_expired": ("The token has expired.", (PASSES,)),
    "token_rejected": (
        "",
        ("Ask {administrator} whether the application may still read this mailbox.", WRONG_PASSWORD[1]),
    ),
}
TROUBLES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "unreachable": (
        "The mail server can't be reached, or ends the connection",
        ("Check the network, the firewall to the mail server, and the mail service's own status page.",),
    ),
    "proxy": (
        "The proxy makes no connection to the mail server",
        (
            "Read the `advice` of the log's line `worker.not_ready`: it gives the proxy's answer, and whom to ask.",
            "Then run `nhsmail-worker login doctor`. The account isn't at fault, and no attempt is spent.",
        ),
    ),
    "certificate": (
        "The mail server's certificate isn't trusted, so nothing was sent to it",
        (
            "Find out which server answers: `account.host` may be wrong, or a proxy may show its own certificate.",
            "If the proxy is intended, name its authority in `account.ca_file`, and restart the worker.",
        ),
    ),
    "tls": (
        "TLS with the mail server fails before anything is sent to it, and not because of its certificate",
        (
            "Check `account.host` and `account.port`: 993 speaks TLS from the first byte, 143 doesn't.",
            "Check the proxy and the firewall: they may allow only TLS versions older than 1.2.",
        ),
    ),
    "not-connected": (
        "The mail server accepts the login but doesn't open the mailbox",
        (
            "Nothing at once. It usually ends on its own: the server is busy.",
            "If it lasts for an hour, ask the Local Administrator whether IMAP is enabled for this mailbox.",
            "With OAuth, also ask whether the application may read it.",
        ),
    ),
    "no-way-in": (
        "The mail server doesn't offer the login method in the settings",
        ("Run `nhsmail-worker login status`: it shows what the server offers.",),
    ),
    "preauth": (
        ("The mail server greets the worker as logged in before any login, so nothing was sent, and no mail is taken"),
        (
            (
                "Check `account.host` and `account.port`, and which server answers there. Nobody knows whose "
                "mailbox it is."
            ),
        ),
    ),
    "throttled": COOLS["throttled"],
    "mailbox": (
        "The mailbox doesn't match the settings",
        (
            "Read the `advice` of the log's line `worker.not_ready`: it names the folder, or what the server lacks.",
            "Then run `nhsmail-worker check --connect`.",
        ),
    ),
    "no-credential": (
        "The worker has no credential to log in with",
        (
            "Run `nhsmail-worker check`: it names the file that is missing or unreadable.",
            "If a person signs in, run `nhsmail-worker login authorise`.",
        ),
    ),
    "attempt-in-progress": (
        "Another process is logging in to this account",
        ("Wait a minute. If it lasts, find out which other process uses this state folder.",),
    ),
    "fault": (
        "A fault in the worker ends its polls",
        ("Report the `error` of the log's line `worker.fault`.",),
    ),
}
NOT_REACHING: Final = (
    "Not reaching the mailbox",
    ("Check the network, the mail service's own status page, and the log's lines of level error.",),
)
