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
        f"The sign-in is a public client's: it ends when the password of {who} is changed, and no mail is read until "
        "somebody runs `login authorise` again."
    )
    if auth == "oauth2-browser" and not confidential:
        return (
            f"{ends} A confidential client's survives a change that the user makes: give the application a secret or "
            "a certificate (`client_secret_file` or `certificate_file` under [account.oauth])."
        )
    if auth == "oauth2-device":
        return (
            f'{ends} With auth = "oauth2-browser" and a secret or certificate of the application it survives a change '
            "that the user makes."
        )
    return ""
