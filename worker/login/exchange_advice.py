"""What a person is told of passwords and Exchange Online: why none was sent, and what its `LOGIN failed.` means.

Exchange Online has taken no password over IMAP since Microsoft ended basic authentication; NHSmail's own date is 25 May
2023. Its answer is the one that it gives to a wrong password, and to any if IMAP is switched off for the mailbox.
"""

import re
from typing import Final

from worker.login.standing import Reason, Standing
from worker.mailbox.login_failures import FailureClass

_REFUSED: Final = re.compile(r"\b(?:login|authenticate) failed\b", re.IGNORECASE)
_ABOUT_PASSWORDS: Final = frozenset({FailureClass.REJECTED, Reason.CREDENTIAL, Reason.BUDGET})
FAILED: Final = (
    'Exchange Online answers "LOGIN failed." to every password, right or wrong. Most likely it accepts only OAuth '
    "(since May 2023), or IMAP is off for this mailbox."
)


def is_its_refusal(standing: Standing) -> bool:
    """Whether a login stands where it does because of the words that Exchange Online has for every refused password."""
    about = standing.kind == "password" and standing.reason in _ABOUT_PASSWORDS
    return about and _REFUSED.search(standing.said) is not None


def after_its_refusal(who: str, *, halted: bool) -> str:
    """Return what to do after `LOGIN failed.` from Exchange Online. who: the Local Administrator.

    halted: by a limit, which a reset lifts; IMAP that is switched on, or another password, may not.
    """
    flow = "Set `auth` to an OAuth flow and restart the worker"
    if halted:
        return (
            f"{flow}. Or correct the password, ask {who} whether IMAP is on, then run `nhsmail-worker login reset "
            "--reason …`."
        )
    return f"{flow}, or correct the password. Ask {who} whether IMAP is on."


def not_sent(host: str, account: str, who: str) -> str:
    """Return why no password is sent to a server of Exchange Online, and what to do. who: the Local Administrator."""
    return (
        f"No password was sent. {finding(host)} No attempt was spent. No mail of {account} is read meanwhile. It is "
        f"safe in the mailbox. Set `auth` to an OAuth flow ({who} has the application registered), then restart the "
        "worker. `nhsmail-worker login reset` doesn't help. If this server does accept passwords, set "
        "`allow_password = true` there."
    )


def finding(host: str) -> str:
    """Return what is wrong with a configuration that would send a password to a server of Exchange Online."""
    return (
        f'[account] has auth = "password" at {host}, which is Exchange Online. It has refused every password over '
        "IMAP since May 2023, with the same answer as for a wrong one."
    )
