"""The permission to go on that loops ask for before each step."""

from worker.pipeline.stop import Stop


class Allowed:
    """Permission, until somebody takes it away."""

    def __init__(self) -> None:
        self.stops = False

    def go_on(self) -> None:
        if self.stops:
            raise Stop
