"""What is special about a public client's sign-in: it ends when its user changes the password.

Of a public client the sign-in service revokes the refresh token when the user's password changes. That of a
confidential client, which proves itself with a secret or certificate, survives a change that the user makes himself.
"""

from worker.login.credential import Auth


def public_client_warning(auth: Auth, *, confidential: bool, who: str) -> str:
    """Return what to tell a person about the end of a sign-in; empty if nothing is special about it.

    confidential: the application has a secret or a certificate. who: the address of whoever signs in.
    """
    ends = (
        f"The sign-in belongs to a public client. It ends when the password of {who} is changed, and then no mail is "
        "read until somebody runs `nhsmail-worker login authorise` again."
    )
    if auth == "oauth2-browser" and not confidential:
        return (
            f"{ends} The sign-in of a confidential client survives a change by the user. Give the application a "
            "secret or a certificate (`client_secret_file` or `certificate_file` under [account.oauth])."
        )
    if auth == "oauth2-device":
        return (
            f'{ends} With auth = "oauth2-browser" and a secret or certificate, the sign-in survives a change by the '
            "user."
        )
    return ""
