"""Evidence from IMAP keywords (RFC 9051, 2.3.2). Exchange has none; other servers may."""

from worker.classify.reading import Reading

_JUNK = {
    "$junk": Reading("$Junk", True, "the server or a person marked it as junk"),
    "$phishing": Reading("$Phishing", True, "the server marked it as phishing, which is junk too"),
}


def read(keywords: frozenset[str]) -> list[Reading]:
    """Read the keywords. `$NotJunk` doesn't remove suspicion, not even beside `$Junk`."""
    words = {keyword.lower() for keyword in keywords if keyword.isascii()}
    return [reading for word, reading in _JUNK.items() if word in words]
