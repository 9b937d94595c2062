"""The load of the scaling trace, phase by phase, and what has to be seen in each."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Phase:
    name: str
    seconds: int
    pictures: float = 0.3     # requests per second with a picture
    texts: float = 0.3        # and without
    output_tokens: int = 8
    ramp: int = 0             # seconds in which the rates grow from nothing
    burst: int = 0            # so long full rates, so long a tenth
    coordinator: bool = True  # is there

    def rates(self, now):
        """Requests per second with and without a picture, `now` seconds after the phase's begin."""
        share = min(1.0, now / self.ramp) if self.ramp else 1.0
        if self.burst and int(now / self.burst) % 2:
            share = 0.1
        return self.pictures * share, self.texts * share


PHASES = [
    Phase("settle", 25),
    Phase("pictures", 170, pictures=10, ramp=100),
    Phase("long output", 190, texts=8, output_tokens=250),
    Phase("decoders full", 130, pictures=2, texts=18, output_tokens=250),
    Phase("quiet", 470),
    Phase("bursts", 600, pictures=8, texts=8, output_tokens=200, burst=30),
    Phase("no data", 100, coordinator=False),
    Phase("quiet again", 330),
]
