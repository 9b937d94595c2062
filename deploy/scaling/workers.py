"""Simulated workers: what encoders and decoders of given speeds have to report under a load.

A request has a picture of one tile or none, and some output tokens. As a router does, the cluster
gives it to a decoder at once, where it waits while an encoder has its picture. Times in seconds.
"""

import collections
import dataclasses
import random

TILES_PER_SECOND = 4.0   # of one encoder
MAX_BATCH_TILES = 4
MAX_SEQUENCES = 64       # of one decoder
TOKENS_PER_SECOND = 10.0  # of one sequence
KV_BLOCKS = 4096
BLOCK_TOKENS = 16
PROMPT_TOKENS = 300
LOAD_SECONDS = 8.0       # from the pod's readiness to the model's


@dataclasses.dataclass
class Request:
    output_tokens: float
    encoded: bool  # or without a picture
    produced: float = 0.0


class Encoder:
    role = "encoder"

    def __init__(self):
        self.line = collections.deque()
        self.credit = 0.0
        self.steps = 0
        self.learned = 0.0

    def advance(self, seconds):
        if len(self.line) > MAX_BATCH_TILES:
            self.learned = TILES_PER_SECOND
        self.credit = self.credit + TILES_PER_SECOND * seconds if self.line else 0.0
        while self.line and self.credit >= 1:
            self.credit -= 1
            self.line.popleft().encoded = True
            self.steps += 1

    def load(self):
        return {"running_tiles": len(self.line), "tiles_per_second": self.learned,
                "waiting_tiles": max(0, len(self.line) - MAX_BATCH_TILES)}

    def work(self):
        return len(self.line)


class Decoder:
    role = "decoder"

    def __init__(self):
        self.waiting = []
        self.running = []
        self.steps = 0

    def advance(self, seconds):
        for request in [r for r in self.waiting if r.encoded][:MAX_SEQUENCES - len(self.running)]:
            self.waiting.remove(request)
            self.running.append(request)
        for request in self.running:
            request.produced += TOKENS_PER_SECOND * seconds
        self.running = [r for r in self.running if r.produced < r.output_tokens]
        self.steps += 1

    def load(self):
        blocks = sum((PROMPT_TOKENS + r.produced) // BLOCK_TOKENS + 1 for r in self.running)
        return {"running_sequences": len(self.running), "waiting_sequences": len(self.waiting),
                "used_kv_blocks": int(blocks),
                "tokens_per_second": TOKENS_PER_SECOND * len(self.running)}

    def work(self):
        return len(self.running) + len(self.waiting)


class Cluster:
    """The workers that are ready, and the requests among them. Same seed, same arrivals."""

    def __init__(self, seed=1):
        self.encoders = {}  # by pod
        self.decoders = {}
        self.undecided = []  # no decoder is there
        self.unencoded = []
        self.random = random.Random(seed)

    def pool(self, role):
        return self.encoders if role == "encoder" else self.decoders

    def remove(self, role, pod):
        """What the worker had goes to others, as when it drains for as long as it may."""
        gone = self.pool(role).pop(pod)
        if role == "encoder":
            self.unencoded.extend(gone.line)
        else:
            self.undecided.extend(gone.running + gone.waiting)

    def arrive(self, seconds, pictures_per_second, texts_per_second, output_tokens):
        for rate, encoded in ((pictures_per_second, False), (texts_per_second, True)):
            # Arrivals of a Poisson process, at most one in so short a time.
            if self.random.random() < rate * seconds:
                request = Request(output_tokens, encoded)
                self.undecided.append(request)
                if not encoded:
                    self.unencoded.append(request)

    def advance(self, seconds):
        for line, pool, place in ((self.unencoded, self.encoders, lambda e: e.line),
                                  (self.undecided, self.decoders, lambda d: d.waiting)):
            while line and pool:
                place(min(pool.values(), key=lambda worker: worker.work())).append(line.pop(0))
        for worker in (*self.encoders.values(), *self.decoders.values()):
            worker.advance(seconds)
