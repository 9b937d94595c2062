"""The load of the scaling trace, phase by phase, and what has to be seen in each."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Phase:
    name: str
    seconds: int
    pictures: float = 0.3     # requests per second with a picture
    texts: float = 0.3        # and without
    output_tokens: int = 8
    burst: int = 0            # so long full rates, so long a tenth
    coordinator: bool = True  # is there

    def rates(self, now):
        """Requests per second with and without a picture, `now` seconds after the phase's begin."""
        share = 0.1 if self.burst and int(now / self.burst) % 2 else 1.0
        return self.pictures * share, self.texts * share


PHASES = [
    Phase("settle", 25),
    Phase("pictures", 120, pictures=10),
    Phase("long output", 140, texts=5, output_tokens=250),
    Phase("decoders full", 100, pictures=2, texts=18, output_tokens=250),
    # Longer than the chart's stabilization: a zero taken for the number would let pods go.
    Phase("no data", 660, coordinator=False),
    Phase("quiet", 190),
    Phase("bursts", 600, pictures=8, texts=8, output_tokens=200, burst=30),
]
