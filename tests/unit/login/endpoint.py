"""Whatever a token endpoint may answer, and which of it is known not to count against the account.

Written anew, and not as the worker does: what is free is listed here once more.
"""

from typing import Any, Final

from hypothesis import strategies as st

from worker.login.endpoint_errors import BY_ERROR, BY_NUMBER

FREE: Final = frozenset(
    {
        *(50076, 50079, 53003, 65001, 70002, 7000215, 7000222),  # configuration
        *(50173, 70000, 70008, 700082),  # sign in again
        *(90006, 90024, 90033, 50033, 50087, 50196, 90055),  # it passes
        *(530033, 530035, 530036),  # the device code flow is blocked
        *(50072, 50074, 500121, 50158, 53004, 53010),  # a second factor
        *(50131, 53011, 530032, 530034, 530084, 53002, 53000, 53001, 50005, 50097, 50129, 50155, 50187),  # policies
        *(500021, 500212, 500213),
        *(90094, 90095, 90093, 90008, 650056, 650057, 65005, 650052, 500014, 50105),  # consent and permissions
        *(700016, 700011, 900971, 70001, 7000112, 1000031, 7000229, 7000218, 700025),  # the application
        *(700027, 50012, 1000502, 7000214, 700030, 700024, 700021),
        *(90002, 900021, 900023, 50059, 50128, 90019, 50049, 50194, 9001023, 90130, 90038),  # the tenant
        *(500011, 50001, 70011, 650053, 28002, 700022),  # the scope
        *(50011, 500113, 70003, 9002325, 900144, 90014, 90023, 9002313),  # the request
    }
)
"""Numbers that say something else than that the password is wrong: the only ones that are free."""


SECRET = "Bright-Harbour-92"
ERRORS = st.one_of(
    st.sampled_from([*BY_ERROR, None]), st.sampled_from([*BY_ERROR]), st.just(SECRET), st.just(["odd"]), st.just("")
)
CODES = st.one_of(
    st.lists(
        st.one_of(
            st.sampled_from([*BY_NUMBER]),
            st.sampled_from(sorted(FREE)),
            st.integers(0, 10**9),
            st.sampled_from([SECRET, None, True, 1.5, "50126"]),
        ),
        max_size=6,
    ),
    st.sampled_from([None, 50126, SECRET]),
)
DESCRIPTIONS = st.one_of(
    st.just(f"The password {SECRET} is wrong."),
    st.none(),
    st.integers(1000, 10**8 - 1).map(lambda number: f"AADSTS{number}: {SECRET}"),
    st.sampled_from([*BY_NUMBER]).map(lambda number: f"AADSTS{number}: {SECRET}"),
)
BODIES = st.one_of(
    st.fixed_dictionaries(
        {"error": ERRORS, "error_codes": CODES, "error_description": DESCRIPTIONS},
        optional={"suberror": st.sampled_from(["consent_required", "basic_action", SECRET])},
    ),
    st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)), st.lists, max_leaves=5),
)
PLAIN = st.builds(
    lambda error, number: {"error": error, "error_codes": [number], "error_description": None},
    st.sampled_from(["invalid_grant", "temporarily_unavailable", "server_error", "slow_down", None, SECRET]),
    st.one_of(st.sampled_from([*BY_NUMBER]), st.integers(10_000, 10**7)),
)
"""Answers as they usually are: an error that doesn't halt by itself, and a number."""
STATUSES = st.sampled_from([200, 302, 400, 401, 403, 404, 407, 429, 500, 502, 503, 504])


def numbers_in(body: Any) -> tuple[set[int], bool]:
    """The numbers of an answer, and whether there is a code that is none: written anew, and not as the worker does."""
    if not isinstance(body, dict):
        return set(), False
    codes = body["error_codes"]
    listed = codes if isinstance(codes, list) else [] if codes is None else [codes]
    whole = [code for code in listed if type(code) in {int, str} and str(code).isdecimal() and int(code) < 10**8]
    described = str(body["error_description"]).partition("AADSTS")[2].partition(":")[0]
    numbers = {int(code) for code in whole} | ({int(described)} if described else set())
    return numbers, len(whole) < len(listed)


def is_free(body: Any, status: int) -> bool:
    """Whether an answer to the account's password is known not to count against the account."""
    numbers, has_others = numbers_in(body)
    error = body["error"] if isinstance(body, dict) else None
    passes = error in (None, "temporarily_unavailable", "server_error", "slow_down")
    if not numbers and not has_others:
        return passes and status in {429, 503}
    is_known = error is None or (isinstance(error, str) and error in BY_ERROR)
    return is_known and not has_others and numbers <= FREE and len(numbers) <= 4
