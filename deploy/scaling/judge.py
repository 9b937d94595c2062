"""Whether a scaling trace shows what it has to, and its picture.   judge.py TRACE [PICTURE]"""

import csv
import itertools
import sys

ROLES = ("encoder", "decoder")
# Seconds; the chart says 60 and 600, a sample a second.
POD_PERIOD = 55      # between two pods that go
STABILIZATION = 595  # between a pod that comes and the next one that goes


class Trace:
    def __init__(self, path):
        with open(path, newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.seconds = [float(row["second"]) for row in self.rows]
        self.phases = [(name, list(group)) for name, group in
                       itertools.groupby(self.rows, key=lambda row: row["phase"])]

    def replicas(self, role, phase=None):
        return [int(row[f"{role}_replicas"]) for row in self.rows
                if phase is None or row["phase"] == phase]

    def changes(self, role, phase=None):
        """[(second, step)] of a pool's wanted replicas."""
        rows = [row for row in self.rows if phase is None or row["phase"] == phase]
        numbers = self.replicas(role, phase)
        return [(float(row["second"]), after - before) for row, before, after
                in zip(rows[1:], numbers, numbers[1:]) if after != before]

    def grows(self, role, phase):
        return any(step > 0 for _, step in self.changes(role, phase))

    def reversals(self, role, phase):
        signs = [step > 0 for _, step in self.changes(role, phase)]
        return sum(a != b for a, b in zip(signs, signs[1:]))


def findings(trace):
    """(what, the figures seen, whether it is so) for each phase of the trace."""
    shown = {name for name, _ in trace.phases}

    def span(role, phase):
        numbers = trace.replicas(role, phase)
        return f"{role}s {numbers[0]} to {max(numbers)}"

    for phase, scaled, other in (("pictures", "encoder", "decoder"),
                                 ("long output", "decoder", "encoder")):
        if phase in shown:
            yield (f"{phase}: {scaled}s alone grow", f"{span(scaled, phase)}, {span(other, phase)}",
                   trace.grows(scaled, phase) and not trace.grows(other, phase))
    if "decoders full" in shown:
        rows = [row for row in trace.rows if row["phase"] == "decoders full"]
        work = float(rows[-1]["decoder_desired"]) / float(rows[-1]["decoder_ready"])
        yield ("decoders full: encoders do not grow",
               f"decoders have {work:.2f} of what they can do, {span('encoder', 'decoders full')}",
               work > 1 and not trace.grows("encoder", "decoders full"))
    if "bursts" in shown:
        for role in ROLES:
            count = trace.reversals(role, "bursts")
            yield (f"bursts: {role}s turn round at most twice", f"{count} times", count <= 2)
    if "no data" in shown:
        numbers = {role: trace.replicas(role, "no data")[3:] for role in ROLES}
        seen = {role: (min(n), max(n)) for role, n in numbers.items()}
        yield ("no data: nothing changes",
               f"encoders {seen['encoder']}, decoders {seen['decoder']}",
               all(low == high for low, high in seen.values()))
    for role in ROLES:
        down = [(second, step) for second, step in trace.changes(role) if step < 0]
        apart = [b - a for (a, _), (b, _) in zip(down, down[1:])]
        yield (f"{role}s go one by one",
               f"{len(down)} times, largest step {max((-s for _, s in down), default=0)}, "
               f"at least {min(apart, default=0):.0f} s apart",
               bool(down) and all(step == -1 for _, step in down)
               and all(seconds >= POD_PERIOD for seconds in apart))
        stay = [b - a for (a, up), (b, down) in itertools.pairwise(trace.changes(role))
                if up > 0 > down]
        yield (f"{role}s stay after they have come", f"{min(stay, default=0):.0f} s at least",
               bool(stay) and min(stay) >= STABILIZATION)


def draw(trace, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 1, sharex=True, figsize=(11, 6), layout="constrained")
    minutes = [second / 60 for second in trace.seconds]
    for axis, role in zip(axes, ROLES):
        desired = [float(row[f"{role}_desired"] or "nan") for row in trace.rows]
        axis.plot(minutes, desired, color="tab:orange", linewidth=1,
                  label="triptych_pool_desired_replicas")
        axis.step(minutes, trace.replicas(role), where="post", color="tab:blue",
                  label="replicas that the HorizontalPodAutoscaler wants")
        axis.step(minutes, [int(row[f"{role}_ready"]) for row in trace.rows], where="post",
                  color="tab:green", linestyle=":", label="workers that have loaded")
        axis.set_ylabel(f"{role}s")
        axis.set_ylim(0, 8)
        axis.grid(alpha=0.3)
        for i, (name, rows) in enumerate(trace.phases):
            begin = float(rows[0]["second"]) / 60
            axis.axvline(begin, color="gray", linewidth=0.6)
            if len(rows) > 60:  # there is room for its name
                axis.text(begin + 0.1, 7.9 - 0.5 * (i % 2), name, va="top", fontsize=8)
    axes[0].legend(loc="center right", fontsize=8)
    axes[1].set_xlabel("minutes")
    figure.savefig(path, dpi=100)


def main():
    trace = Trace(sys.argv[1])
    if len(sys.argv) > 2:
        draw(trace, sys.argv[2])
    found = list(findings(trace))
    for what, figures, holds in found:
        print(f"{'ok  ' if holds else 'NOT '} {what}: {figures}")
    sys.exit(not all(holds for _, _, holds in found))


if __name__ == "__main__":
    main()
