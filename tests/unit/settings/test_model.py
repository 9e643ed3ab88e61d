"""What the tree says of itself."""

from worker.settings import Settings
from worker.settings.model import places_of, secret_places


def test_every_secret_has_a_twin_that_names_a_file() -> None:
    everything = set(places_of(Settings))
    secrets = [place for place, _ in secret_places()]
    assert ("account", "password") in secrets
    assert ("state", "journal") in secrets
    assert all((*place[:-1], f"{place[-1]}_file") in everything for place in secrets)
