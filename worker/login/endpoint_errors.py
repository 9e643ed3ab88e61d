"""The errors of the token endpoint: what each one means, who acts, and what they type.

One table. The guard's counting, the messages to people and docs/sign-in-errors.md are all made from it. OAuth's `error`
decides; the number that Microsoft adds to it (AADSTS) refines.

Sources: RFC 6749, RFC 8628, OpenID Connect Core, and Microsoft's reference of authentication and authorization errors.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.mailbox.login_failures import FailureClass


class Who(StrEnum):
    """Who acts on an error, as docs/sign-in-errors.md puts it."""

    NOBODY = "nobody: it passes"
    YOU = "you"
    ADMINISTRATOR = "the Local Administrator"
    TENANT = "the tenant's administrators"


class Then(StrEnum):
    """How the worker tries again once that is done."""

    WAIT = "wait"
    """By itself."""
    SETTING = "setting"
    """A setting was changed."""
    SECRET = "secret"  # noqa: S105 -- a way to go on, not a secret
    """The application has a new secret."""
    CERTIFICATE = "certificate"
    """The application has a new certificate."""
    PASSWORD = "password"  # noqa: S105 -- a way to go on, not a password
    """The right password is put in its place, if it wasn't there."""
    NEW_PASSWORD = "new password"  # noqa: S105 -- a way to go on, not a password
    """The account has a new password."""
    SIGN_IN = "sign in"
    """A person signs in again."""
    RESET = "reset"
    """The same credential is tried on a person's word."""


@dataclass(frozen=True, slots=True)
class Row:
    """One error.

    number: AADSTS. None: the error without a number that is listed.
    error: OAuth's `error`, with which the number usually comes.
    cls: what it means for the login.
    counts: whether it counts against the account where the request carried its password, as every refusal does that
    isn't known not to.
    meaning: a sentence. do: what `who` does, to be read after `to`; it may name {administrator} and {account}.
    """

    number: int | None
    error: str
    cls: FailureClass
    counts: bool
    who: Who
    then: Then
    meaning: str
    do: str


_F = FailureClass
_SPENT_BY_PASSWORD: Final = frozenset({_F.REJECTED, _F.LOCKED, _F.DISABLED, _F.EXPIRED})


def _row(
    number: int, error: str, cls: FailureClass, who: Who, then: Then, meaning: str, do: str, *, counts: bool = False
) -> Row:
    return Row(number, error, cls, counts or cls in _SPENT_BY_PASSWORD, who, then, meaning, do)


def _named(error: str, cls: FailureClass, who: Who, then: Then, meaning: str, do: str) -> Row:
    """Return the row of an error without a number. With the account's password it always counts."""
    return Row(None, error, cls, counts=True, who=who, then=then, meaning=meaning, do=do)


def _person(error: str, meaning: str) -> Row:
    """An error after which a person signs in again."""
    return _named(error, _F.SIGN_IN_AGAIN, Who.YOU, Then.SIGN_IN, meaning, _AGAIN)


def _account(number: int, cls: FailureClass, who: Who, then: Then, meaning: str, do: str) -> Row:
    """Return the row of an error about the account or its password, which always counts."""
    return _row(number, "invalid_grant", cls, who, then, meaning, do, counts=True)


def _policy(number: int, meaning: str, do: str, error: str = "invalid_grant") -> Row:
    """Return the row of a rule of the tenant's about signing in."""
    return _row(number, error, _F.CONFIGURATION, Who.TENANT, Then.RESET, meaning, do)


def _sign_in(number: int, meaning: str, *, counts: bool = True, error: str = "invalid_grant") -> Row:
    """Return the row of a sign-in that is over."""
    return _row(number, error, _F.SIGN_IN_AGAIN, Who.YOU, Then.SIGN_IN, meaning, _AGAIN, counts=counts)


def _application(number: int, error: str, meaning: str, do: str) -> Row:
    """Return the row of an error in the application's registration, which its administrators correct."""
    return _row(number, error, _F.CONFIGURATION, Who.TENANT, Then.RESET, meaning, do)


def _setting(number: int, error: str, meaning: str, do: str) -> Row:
    """Return the row of an error in our own settings."""
    return _row(number, error, _F.CONFIGURATION, Who.YOU, Then.SETTING, meaning, do)


def _request(number: int, meaning: str, do: str) -> Row:
    """Return the row of a request that isn't as it should be, which is a fault of ours."""
    return _row(number, "invalid_request", _F.CONFIGURATION, Who.YOU, Then.RESET, meaning, do)


def _passing(number: int, meaning: str, *, error: str = "temporarily_unavailable", counts: bool = True) -> Row:
    """Return the row of an error that passes."""
    return _row(number, error, _F.UNAVAILABLE, Who.NOBODY, Then.WAIT, meaning, _WAIT, counts=counts)


_AGAIN: Final = "sign in again"
_WAIT: Final = "wait. If it lasts for hours, check Microsoft's service health page"
_TENANT: Final = "correct `tenant` (the directory's id, a GUID) and `authority` under `[account.oauth]`"
_SCOPE: Final = "remove `scopes` from `[account.oauth]`, or correct it. If it isn't set, correct `tenant`"
_CONSENT: Final = (
    "grant admin consent for the application's IMAP permission (Entra, Enterprise applications, the application, "
    "Permissions; or `az ad app permission admin-consent --id CLIENT_ID`)"
)
_SECOND_FACTOR: Final = (
    "exempt the account from the second factor (an application account has none). If a person signs in, they can "
    "sign in again and pass it"
)
_SIGN_IN_LOG: Final = (
    "find the sign-in in Entra's sign-in log, which names the policy, and exempt the account or the application from it"
)
_MANAGED_DEVICE: Final = "exempt the account or the application from the device policy (Entra's sign-in log names it)"
_BROWSER: Final = (
    'set `auth = "oauth2-browser"` under `[account]`, or ask the tenant\'s administrators to allow the device code flow'
)
_RENEW: Final = "make a new client secret (`az ad app credential reset --id CLIENT_ID --append`) and pass it on"
_REGISTER_CERTIFICATE: Final = (
    "add the certificate to the application "
    "(`az ad app credential reset --id CLIENT_ID --cert @application.crt --append`)"
)
_NEW_CERTIFICATE: Final = (
    "make a new certificate and register it "
    "(`az ad app credential reset --id CLIENT_ID --cert @application.crt --append`)"
)
_CLIENT_ID: Final = (
    "correct `client_id` and `tenant` under `[account.oauth]`. If they are right, have the application registered "
    "in this tenant"
)
_ENABLE_APPLICATION: Final = (
    "enable the application (`az ad sp update --id CLIENT_ID --set accountEnabled=true`), or say why it was disabled"
)
_ADDRESS: Final = (
    "correct `tenant` under `[account.oauth]`, or `address` under `[account]` (each account needs its own state folder)"
)
_CHANGE_IT: Final = "change the password. If you can't, ask {administrator} to set a new one"
_SERVICE_FAULT: Final = "wait. If it lasts for hours, ask {administrator} to report the number to Microsoft"
_NEWER: Final = "look for a newer version of the worker, and report the number to its maintainers"
_REDIRECT: Final = (
    "add the redirect address `http://localhost` to the application. With a secret or a certificate, add it under "
    "*Web* (`az ad app update --id CLIENT_ID --web-redirect-uris http://localhost`). Without, add it under *Mobile "
    "and desktop applications* (`--public-client-redirect-uris` instead)"
)
_CLOCK: Final = "set this machine's clock (`timedatectl` shows whether it is synchronised)"
_CHECK_IT: Final = "check that the password is the account's present one"

NUMBERED: Final = (
    # -- the account and its password
    _account(50126, _F.REJECTED, Who.YOU, Then.PASSWORD, "The user name or the password is wrong.", _CHECK_IT),
    _account(
        50053,
        _F.LOCKED,
        Who.ADMINISTRATOR,
        Then.RESET,
        "The account is locked. (The same number also means that an address is blocked for malicious traffic. "
        "Entra's sign-in log shows which it is.)",
        "unlock the account",
    ),
    _account(50055, _F.EXPIRED, Who.YOU, Then.NEW_PASSWORD, "The password has expired.", _CHANGE_IT),
    _account(50057, _F.DISABLED, Who.ADMINISTRATOR, Then.RESET, "The account is disabled.", "enable the account"),
    _account(50056, _F.REJECTED, Who.YOU, Then.PASSWORD, "The directory has no password for this account.", _CHECK_IT),
    _account(50064, _F.REJECTED, Who.YOU, Then.PASSWORD, "The user name or the password is wrong.", _CHECK_IT),
    _account(50052, _F.REJECTED, Who.YOU, Then.PASSWORD, "The password is longer than any password can be.", _CHECK_IT),
    _account(
        50135,
        _F.EXPIRED,
        Who.YOU,
        Then.NEW_PASSWORD,
        "Microsoft has marked the account as at risk, so its password must change.",
        _CHANGE_IT,
    ),
    _account(50142, _F.EXPIRED, Who.YOU, Then.NEW_PASSWORD, "A policy requires a new password.", _CHANGE_IT),
    _account(
        50144, _F.EXPIRED, Who.YOU, Then.NEW_PASSWORD, "The password in Active Directory has expired.", _CHANGE_IT
    ),
    _account(
        80012,
        _F.DISABLED,
        Who.ADMINISTRATOR,
        Then.RESET,
        "The account isn't allowed to sign in at this hour.",
        "lift the account's logon hours",
    ),
    _account(50034, _F.CONFIGURATION, Who.YOU, Then.SETTING, "This tenant has no such account.", _ADDRESS),
    _account(51004, _F.CONFIGURATION, Who.YOU, Then.SETTING, "The directory has no such account.", _ADDRESS),
    _account(
        50014, _F.CONFIGURATION, Who.YOU, Then.SETTING, "The account isn't a member of this tenant yet.", _ADDRESS
    ),
    _account(50020, _F.CONFIGURATION, Who.YOU, Then.SETTING, "The account belongs to another tenant.", _ADDRESS),
    _account(90072, _F.CONFIGURATION, Who.YOU, Then.SETTING, "The account is unknown in this tenant.", _ADDRESS),
    _account(16003, _F.CONFIGURATION, Who.YOU, Then.SETTING, "The account wasn't added to this tenant.", _ADDRESS),
    _application(
        50105,
        "invalid_grant",
        "The account isn't assigned to the application.",
        "assign {account} to the application (Entra, Enterprise applications, the application, Users and groups), or "
        "let everybody use it (`az ad sp update --id CLIENT_ID --set appRoleAssignmentRequired=false`)",
    ),
    # -- a sign-in that is over
    _sign_in(70000, "The stored sign-in isn't valid.", counts=False),
    _sign_in(70008, "The stored sign-in has expired, or was revoked.", counts=False),
    _sign_in(700082, "The stored sign-in has expired because it wasn't used for too long.", counts=False),
    _sign_in(50173, "The stored sign-in was revoked, for example by a password change.", counts=False),
    _sign_in(70043, "The tenant's sign-in frequency has passed."),
    _sign_in(70044, "The tenant's sign-in frequency has passed."),
    _sign_in(700084, "The stored sign-in is the kind for web pages, which lasts one day."),
    _sign_in(50132, "The sign-in ended because the password has expired or was changed."),
    _sign_in(50133, "The sign-in ended because the password has expired or was changed."),
    _sign_in(50078, "The second factor has expired."),
    _sign_in(50085, "The stored sign-in must pass the identity provider again."),
    _sign_in(50089, "The sign-in took too long, or was revoked."),
    _sign_in(50058, "Nobody is signed in.", error="login_required"),
    _sign_in(50197, "The sign-in service didn't find the account in this sign-in."),
    _sign_in(16000, "A different account is signed in, not this application's.", error="interaction_required"),
    _sign_in(700020, "A person must sign in.", error="interaction_required"),
    _sign_in(54005, "The code of this sign-in was used before."),
    _sign_in(700005, "The code of this sign-in belongs to another tenant."),
    _sign_in(501481, "The code of this sign-in doesn't fit its proof (PKCE)."),
    _sign_in(65004, "The consent was declined in the browser.", error="access_denied"),
    _sign_in(50199, "The sign-in wasn't confirmed in the browser.", error="interaction_required"),
    # -- a sign-in by device code
    _sign_in(70016, "Nobody signed in before the code expired.", error="authorization_pending"),
    _sign_in(70018, "The sign-in service doesn't know the code that was typed.", error="bad_verification_code"),
    _sign_in(70019, "The code expired before it was typed.", error="expired_token"),
    _sign_in(70020, "The code expired before it was typed.", error="expired_token"),
    _sign_in(90119, "No code was typed.", error="invalid_request"),
    _sign_in(90120, "The code was already approved or declined.", error="invalid_request"),
    _sign_in(50134, "The code was made in one region and typed in another."),
    _setting(
        530033, "access_denied", "The tenant blocks the device code flow: it requires a managed device.", _BROWSER
    ),
    _setting(530035, "access_denied", "The tenant's security defaults block the device code flow.", _BROWSER),
    _setting(530036, "access_denied", "A conditional access policy blocks the device code flow.", _BROWSER),
    # -- the second factor
    _policy(50076, "The tenant requires a second factor.", _SECOND_FACTOR, "interaction_required"),
    _policy(50079, "The tenant requires a second factor, and none is set up.", _SECOND_FACTOR, "interaction_required"),
    _policy(50072, "The tenant requires a second factor, and none is set up.", _SECOND_FACTOR, "interaction_required"),
    _policy(
        50074, "The tenant requires a second factor, and it wasn't passed.", _SECOND_FACTOR, "interaction_required"
    ),
    _policy(500121, "The second factor was declined, or failed.", _SECOND_FACTOR),
    _policy(50158, "The tenant requires a second factor from another service.", _SECOND_FACTOR, "interaction_required"),
    _policy(53004, "The tenant requires a second factor to be set up.", _SECOND_FACTOR, "interaction_required"),
    _policy(53010, "A second factor may only be set up from certain places.", _SECOND_FACTOR, "interaction_required"),
    # -- conditional access
    _policy(53003, "Conditional access blocks this sign-in.", _SIGN_IN_LOG),
    _policy(50131, "Conditional access blocks this sign-in.", _SIGN_IN_LOG),
    _policy(53011, "The account is blocked as risky.", _SIGN_IN_LOG),
    _policy(530032, "One of the tenant's security policies blocks this sign-in.", _SIGN_IN_LOG),
    _policy(530034, "The account is blocked as risky in its home tenant.", _SIGN_IN_LOG),
    _policy(530084, "The tenant requires tokens that are bound to a device.", _SIGN_IN_LOG),
    _policy(53002, "Conditional access allows only approved applications.", _SIGN_IN_LOG),
    _policy(53000, "Conditional access requires a compliant device.", _MANAGED_DEVICE),
    _policy(53001, "Conditional access requires a device that is joined to the domain.", _MANAGED_DEVICE),
    _policy(50005, "Conditional access doesn't allow this kind of device.", _MANAGED_DEVICE),
    _policy(50097, "The tenant requires a known device.", _MANAGED_DEVICE, "interaction_required"),
    _policy(50129, "The tenant requires a joined device.", _MANAGED_DEVICE, "interaction_required"),
    _policy(50155, "The device didn't prove its identity.", _MANAGED_DEVICE),
    _policy(50187, "The device didn't prove its identity.", _MANAGED_DEVICE),
    _policy(
        500021,
        "A proxy allows only other tenants (tenant restrictions).",
        "add this tenant to the proxy's list (`Restrict-Access-To-Tenants`)",
    ),
    _policy(
        500212,
        "The account's own tenant doesn't let it sign in to this one.",
        "allow it in the cross-tenant access settings",
    ),
    _policy(
        500213,
        "This tenant doesn't let accounts of the other tenant sign in.",
        "allow it in the cross-tenant access settings",
    ),
    # -- consent and permissions
    _application(65001, "invalid_grant", "Nobody has consented to the application.", _CONSENT),
    _application(90094, "consent_required", "The application needs an administrator's consent.", _CONSENT),
    _application(90095, "consent_required", "The application needs an administrator's consent.", _CONSENT),
    _application(90093, "consent_required", "The account isn't allowed to consent for itself.", _CONSENT),
    _application(90008, "consent_required", "Nobody has consented to the application's basic permissions.", _CONSENT),
    _application(
        650056,
        "invalid_client",
        "The application has no permission for this service, or no consent.",
        f"add the permission (IMAP.AccessAsUser.All if delegated, IMAP.AccessAsApp if its own), then {_CONSENT}",
    ),
    _application(
        650057,
        "invalid_resource",
        "Exchange Online isn't among the application's permissions.",
        f"add the permission (IMAP.AccessAsUser.All if delegated, IMAP.AccessAsApp if its own), then {_CONSENT}",
    ),
    _application(
        65005,
        "invalid_resource",
        "Exchange Online isn't among the application's permissions.",
        f"add the permission (IMAP.AccessAsUser.All if delegated, IMAP.AccessAsApp if its own), then {_CONSENT}",
    ),
    _application(
        650052,
        "invalid_client",
        "The tenant has no subscription to the service that the application asks for.",
        "check whether Exchange Online is enabled in this tenant",
    ),
    _application(
        500014,
        "invalid_resource",
        "Exchange Online is disabled in this tenant, or its subscription has lapsed.",
        "enable Exchange Online's service principal, or renew the subscription",
    ),
    # -- the application
    _setting(700016, "unauthorized_client", "The application is unknown in this tenant.", _CLIENT_ID),
    _setting(700011, "unauthorized_client", "The application is unknown in this tenant.", _CLIENT_ID),
    _application(900971, "invalid_request", "The application has no redirect address.", _REDIRECT),
    _application(
        70001,
        "unauthorized_client",
        "The application is disabled, or this tenant doesn't know it.",
        _ENABLE_APPLICATION,
    ),
    _application(7000112, "unauthorized_client", "The application is disabled.", _ENABLE_APPLICATION),
    _application(1000031, "unauthorized_client", "The application can't be used now.", _ENABLE_APPLICATION),
    _application(
        7000229,
        "invalid_client",
        "The application has no service principal in this tenant.",
        "create it (`az ad sp create --id CLIENT_ID`), then grant admin consent",
    ),
    _application(
        7000218,
        "invalid_client",
        "The application isn't registered for sign-ins without a secret (public client flows are off).",
        "allow public client flows (Entra, App registrations, the application, Authentication; or `az ad app update "
        "--id CLIENT_ID --is-fallback-public-client true`). Where `oauth2-browser` or `oauth2-client` is used, name "
        "the application's secret or certificate under `[account.oauth]` instead",
    ),
    _application(
        700025,
        "invalid_client",
        "The application is registered as public, but the settings give it a secret or certificate.",
        "register it as a confidential one (a redirect address of the kind Web), or take the secret or certificate out "
        "of `[account.oauth]`",
    ),
    _row(
        7000222,
        "invalid_client",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.SECRET,
        "The application's client secret has expired.",
        _RENEW,
    ),
    _row(
        7000215,
        "invalid_client",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.SECRET,
        "The application's client secret isn't the right one.",
        f"check that you have the secret's value and not its id. Otherwise {_RENEW}",
    ),
    _row(
        70002,
        "invalid_client",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.SECRET,
        "The application's client secret is wrong.",
        _RENEW,
    ),
    _application(
        700027,
        "invalid_client",
        "The application's certificate isn't registered, or doesn't fit its key.",
        _REGISTER_CERTIFICATE,
    ),
    _application(
        50012,
        "invalid_client",
        "The application's certificate isn't accepted.",
        _REGISTER_CERTIFICATE,
    ),
    _row(
        1000502,
        "invalid_client",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.CERTIFICATE,
        "The application's certificate has expired, or isn't valid yet.",
        _NEW_CERTIFICATE,
    ),
    _row(
        7000214,
        "invalid_client",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.CERTIFICATE,
        "The application's certificate was revoked.",
        _NEW_CERTIFICATE,
    ),
    _row(
        700030,
        "invalid_client",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.CERTIFICATE,
        "The name in the application's certificate isn't allowed.",
        _NEW_CERTIFICATE,
    ),
    _row(
        700024,
        "invalid_client",
        _F.CONFIGURATION,
        Who.YOU,
        Then.RESET,
        "The application's signature isn't valid now by the sign-in service's clock: one of the two clocks is wrong.",
        _CLOCK,
    ),
    _setting(700021, "invalid_client", "The application's signature names another application.", _CLIENT_ID),
    # -- the tenant
    _setting(90002, "invalid_tenant", "There is no such tenant.", _TENANT),
    _setting(900021, "invalid_tenant", "There is no such tenant.", _TENANT),
    _setting(900023, "invalid_tenant", "The tenant's name isn't valid.", _TENANT),
    _setting(50059, "invalid_request", "The request names no tenant.", _TENANT),
    _setting(50128, "invalid_request", "The domain belongs to no tenant.", _TENANT),
    _setting(90019, "invalid_request", "The request names no tenant.", _TENANT),
    _setting(50049, "invalid_instance", "This isn't a sign-in service that Microsoft knows.", _TENANT),
    _setting(50194, "invalid_request", "The application may not be used with the tenant `common`.", _TENANT),
    _setting(9001023, "invalid_request", "This flow may not be used with the tenant `common`.", _TENANT),
    _setting(90130, "invalid_request", "The application may not be used with the tenant `common`.", _TENANT),
    _setting(90038, "invalid_request", "The tenant belongs to another of Microsoft's clouds.", _TENANT),
    # -- the scope
    _setting(500011, "invalid_resource", "The service that the scope names isn't in this tenant.", _SCOPE),
    _setting(50001, "invalid_resource", "The service that the scope names doesn't exist, or is disabled.", _SCOPE),
    _setting(70011, "invalid_scope", "The scope isn't valid.", _SCOPE),
    _setting(650053, "invalid_scope", "The scope doesn't exist at the service that it names.", _SCOPE),
    _setting(28002, "invalid_scope", "The scope isn't valid.", _SCOPE),
    _setting(700022, "invalid_scope", "The scopes name more than one service.", _SCOPE),
    # -- the request
    _application(
        50011,
        "invalid_request",
        "The redirect address isn't one of the application's.",
        _REDIRECT,
    ),
    _application(500113, "invalid_request", "The application has no redirect address.", _REDIRECT),
    _setting(
        70003,
        "unsupported_grant_type",
        "The tenant doesn't allow this flow.",
        "set `auth` under `[account]` to another flow",
    ),
    _request(9002325, "The sign-in lacks its proof (PKCE).", _NEWER),
    _request(900144, "The request lacks a field.", _NEWER),
    _request(90014, "The request lacks a field.", _NEWER),
    _request(90023, "The request isn't valid.", _NEWER),
    _request(9002313, "The request isn't well formed.", _NEWER),
    # -- what passes
    _passing(50033, "The sign-in service has a temporary fault.", counts=False),
    _passing(50087, "The sign-in service's second factor has a temporary fault.", counts=False),
    _passing(90006, "The sign-in service can't reach another service at the moment.", counts=False),
    _passing(90024, "The sign-in service is too busy at the moment.", counts=False),
    _passing(90033, "Microsoft's directory can't be reached at the moment.", counts=False),
    _passing(
        50196,
        "The same request was made too often in a short time.",
        error="invalid_grant",
        counts=False,
    ),
    _row(
        90055,
        "temporarily_unavailable",
        _F.THROTTLED,
        Who.NOBODY,
        Then.WAIT,
        "The tenant is throttled: too many requests.",
        _WAIT,
    ),
    _passing(90012, "The sign-in service took too long."),
    _passing(90090, "Microsoft's directory isn't available at the moment."),
    _passing(90091, "Microsoft's directory can't be reached at the moment."),
    _passing(70012, "The sign-in service has a fault.", error="server_error"),
    _passing(50088, "The second factor has reached its call limit for some minutes."),
    _passing(50166, "Another part of the sign-in service is too busy."),
    _passing(80001, "The organisation's Active Directory isn't reachable for its agents.", error="server_error"),
    _passing(80002, "The organisation's Active Directory took too long.", error="server_error"),
    _passing(80005, "The organisation's agent gave an answer that can't be read.", error="server_error"),
    _passing(80007, "The organisation's agent couldn't check the password.", error="server_error"),
    _passing(80013, "The clocks of the organisation's agent and its Active Directory differ.", error="server_error"),
    _passing(80014, "The organisation's agent took too long.", error="server_error"),
    _row(
        50000,
        "server_error",
        _F.UNAVAILABLE,
        Who.NOBODY,
        Then.WAIT,
        "The sign-in service has a fault of its own.",
        _SERVICE_FAULT,
        counts=True,
    ),
    _row(
        90036,
        "server_error",
        _F.UNAVAILABLE,
        Who.NOBODY,
        Then.WAIT,
        "Microsoft's directory has a fault of its own.",
        _SERVICE_FAULT,
        counts=True,
    ),
)
"""Every number that is known."""

_UNREGISTERED: Final = (
    "check `client_id` and `tenant` under `[account.oauth]`. If they are right, ask {administrator} which flows the "
    "application is registered for"
)
_ANOTHER_FLOW: Final = "set `auth` under `[account]` to a flow that this sign-in service supports"

NAMED: Final = (
    _person("invalid_grant", "The sign-in service no longer accepts the sign-in."),
    _named(
        "invalid_client",
        _F.CONFIGURATION,
        Who.YOU,
        Then.SETTING,
        "The sign-in service doesn't accept the application, or its secret or certificate.",
        "check `client_id`, and the secret or certificate, under `[account.oauth]`",
    ),
    _named(
        "unauthorized_client",
        _F.CONFIGURATION,
        Who.YOU,
        Then.SETTING,
        "The application isn't allowed to use this flow, or the sign-in service doesn't know it.",
        _UNREGISTERED,
    ),
    _named("invalid_scope", _F.CONFIGURATION, Who.YOU, Then.SETTING, "The scope isn't valid.", _SCOPE),
    _named(
        "invalid_resource",
        _F.CONFIGURATION,
        Who.YOU,
        Then.SETTING,
        "The sign-in service doesn't know the service that the scope names.",
        _SCOPE,
    ),
    _named(
        "invalid_target",
        _F.CONFIGURATION,
        Who.YOU,
        Then.SETTING,
        "The sign-in service doesn't know the service that the scope names.",
        _SCOPE,
    ),
    _named("invalid_tenant", _F.CONFIGURATION, Who.YOU, Then.SETTING, "There is no such tenant.", _TENANT),
    _named(
        "invalid_instance",
        _F.CONFIGURATION,
        Who.YOU,
        Then.SETTING,
        "This isn't a sign-in service that Microsoft knows.",
        _TENANT,
    ),
    _named(
        "invalid_request",
        _F.CONFIGURATION,
        Who.YOU,
        Then.RESET,
        "The sign-in service rejects the request.",
        _NEWER,
    ),
    _named(
        "unsupported_grant_type",
        _F.CONFIGURATION,
        Who.YOU,
        Then.SETTING,
        "The sign-in service doesn't support this flow.",
        _ANOTHER_FLOW,
    ),
    _named(
        "unsupported_response_type",
        _F.CONFIGURATION,
        Who.YOU,
        Then.SETTING,
        "The sign-in service doesn't support this flow.",
        _ANOTHER_FLOW,
    ),
    _person(
        "access_denied", "The sign-in was declined in the browser, or the account or the application isn't allowed."
    ),
    _person("interaction_required", "The sign-in service requires a person to sign in."),
    _person("login_required", "The sign-in service requires a person to sign in."),
    _person("account_selection_required", "The sign-in service requires a person to choose the account."),
    _named(
        "consent_required",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.RESET,
        "Nobody has consented to the application.",
        _CONSENT,
    ),
    _named(
        "temporarily_unavailable",
        _F.UNAVAILABLE,
        Who.NOBODY,
        Then.WAIT,
        "The sign-in service is too busy at the moment.",
        _WAIT,
    ),
    _named("server_error", _F.UNAVAILABLE, Who.NOBODY, Then.WAIT, "The sign-in service has a fault.", _WAIT),
    _named("slow_down", _F.THROTTLED, Who.NOBODY, Then.WAIT, "The sign-in service asks for a pause.", _WAIT),
    _person("authorization_pending", "Nobody signed in before the code expired."),
    _person("expired_token", "Nobody signed in before the code expired."),
    _person("code_expired", "Nobody signed in before the code expired."),
    _person("authorization_declined", "The sign-in was declined in the browser."),
    _person("bad_verification_code", "The sign-in service doesn't know the code of this sign-in."),
)
"""Every `error` that is known, for answers without a known number."""

_BY_A_PERSON: Final = (
    "The sign-in service requires a person to sign in. The account's password alone isn't enough.",
    'set `auth = "oauth2-browser"` under `[account]`',
)

NAMED_WITH_PASSWORD: Final = (
    _named(
        "invalid_grant",
        _F.REJECTED,
        Who.YOU,
        Then.PASSWORD,
        "The sign-in service refuses the account's password, or the account.",
        _CHECK_IT,
    ),
    _named(
        "access_denied",
        _F.CONFIGURATION,
        Who.TENANT,
        Then.RESET,
        "The tenant doesn't let this account sign in with its password.",
        _SIGN_IN_LOG,
    ),
    *(
        _named(error, _F.CONFIGURATION, Who.YOU, Then.SETTING, *_BY_A_PERSON)
        for error in ("interaction_required", "login_required", "account_selection_required")
    ),
)
"""What some of these mean where the request carried the account's password (`oauth2-password`)."""

BY_NUMBER: Final = {row.number: row for row in NUMBERED if row.number is not None}
BY_ERROR: Final = {row.error: row for row in NAMED}
BY_ERROR_WITH_PASSWORD: Final = BY_ERROR | {row.error: row for row in NAMED_WITH_PASSWORD}

NO_TENANT: Final = frozenset(row.number for row in NUMBERED if row.error == "invalid_tenant" and row.number is not None)
"""Numbers of an address that belongs to no tenant."""
