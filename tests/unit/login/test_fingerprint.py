"""Fingerprints: a credential is known again, and slow to guess."""

from worker.login.fingerprint import COST, Fingerprinter

SECRET = "Bright-Harbour-92"


def test_a_fingerprint_is_of_kind_salt_and_secret() -> None:
    one = Fingerprinter(b"salt", 2).of("password", SECRET)
    assert one == Fingerprinter(b"salt", 2).of("password", SECRET)
    others = [
        Fingerprinter(b"pepper", 2).of("password", SECRET),
        Fingerprinter(b"salt", 2).of("password", SECRET + "x"),
        Fingerprinter(b"salt", 2).of("token", SECRET),
        Fingerprinter(b"salt", 4).of("password", SECRET),
    ]
    assert one not in others
    assert one.startswith("password:")
    assert len(one) == len("password:") + 64


def test_a_fingerprint_is_slow_to_guess() -> None:
    assert COST >= 2**15
    assert Fingerprinter(b"salt").cost == COST
    assert Fingerprinter(b"salt").of("password", SECRET).startswith("password:")


def test_a_fingerprint_that_was_stored_is_found_again() -> None:
    """By every later release: else no password would be known as a previous one, and each would seem new."""
    stored = "password:7dbdfe945f064fe79a459ea99de7a5a5c18866a455dd9f3f691651001413eaf5"
    assert Fingerprinter(b"salt", 16).of("password", "Bright-Harbour-92") == stored


def test_any_text_has_a_fingerprint() -> None:
    """The environment gives bytes that aren't UTF-8 as lone surrogates."""
    assert Fingerprinter(b"salt", 2).of("password", "Bright-\udcff-92").startswith("password:")
