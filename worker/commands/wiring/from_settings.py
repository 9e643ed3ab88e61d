"""Builds router, limits, classifier and waits from the settings. Needs no connection and no journal."""

from collections.abc import Callable
from datetime import timedelta

from worker.classify import JunkPolicy, classify
from worker.classify.kinds import Kind
from worker.classify.policy import PROVIDER_HOSTS, SPAM_CATEGORIES
from worker.handling.routing.conditions import any_pattern
from worker.handling.routing.router import JUNK_ROUTE, Router
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.message.verdict import Verdict
from worker.pipeline.known_senders import Senders, read_key
from worker.settings import JunkSettings, RouteSettings, Settings


def router_of(settings: Settings) -> Router:
    """The router, with all rules compiled."""
    kinds = settings.junk.kinds
    own = {
        Kind.MALWARE: kinds.malware,
        Kind.PHISHING: kinds.phishing,
        Kind.BULK: kinds.bulk,
        Kind.SPAM: kinds.spam,
    }
    given = {kind: names for kind, names in own.items() if names is not None}
    return Router(settings.routes, settings.junk.handlers, given)


def limits_of(settings: Settings) -> Limits:
    """The limits for parsing a message."""
    return Limits(**settings.limits.model_dump(exclude={"deaths"}))


def junk_policy_of(settings: Settings) -> JunkPolicy:
    """What counts as junk, and which hosts are the provider's."""
    junk = settings.junk
    return JunkPolicy(
        scl=junk.scl,
        bcl=junk.bcl,
        sources=frozenset(junk.sources),
        categories=SPAM_CATEGORIES if junk.categories is None else frozenset(junk.categories),
        provider_hosts=PROVIDER_HOSTS if junk.provider_hosts is None else junk.provider_hosts,
        believe_without_provider=junk.believe_without_provider,
    )


def classify_of(settings: Settings) -> Callable[[Headers, bool, frozenset[str]], Verdict]:
    """The classifier: from headers, whether the message lies in the junk folder, and its keywords to a verdict."""
    policy = junk_policy_of(settings)

    def judge(headers: Headers, in_junk_folder: bool, keywords: frozenset[str]) -> Verdict:
        return classify(headers, in_junk_folder=in_junk_folder, keywords=keywords, policy=policy)

    return judge


def senders_of(settings: Settings) -> Senders:
    """What tells senders apart. Reads the key of their hashes, and makes it at first use.

    Raises:
        UnusableKey: the key can't be used.
    """
    known = settings.junk.known_senders or ()
    return Senders(read_key(settings.state.dir), any_pattern(known), junk_policy_of(settings))


class Backoff:
    """Tries and waits of each route and of the junk path. Mail without a route gets those of the last route."""

    def __init__(self, settings: Settings) -> None:
        self._routes: dict[str, RouteSettings | JunkSettings] = {route.name: route for route in settings.routes}
        self._routes[JUNK_ROUTE] = settings.junk
        self._last = settings.routes[-1]

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        """The wait before the next try; None if there is none left."""
        rule = self._routes.get(route or "", self._last)
        if failures >= rule.tries:
            return None
        return rule.waits[min(failures, len(rule.waits)) - 1]
