"""Takes samples in turns and makes their table: medians, spreads, dflow's ratio to each competitor, and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from competitors import Competitor, compare
from measure import ROUNDS, Unit

BY_HAND = "by hand"  # shows what the machine can do; it does not count as a peer, except in a target that names it


@dataclass(frozen=True)
class Target:
    """The ratio that dflow should reach, compared with a competitor.

    speed: the ratio.  of: the name of the competitor, or None for the best of the peers.
    """

    speed: float
    of: str | None = None

    def at(self, name: str, best: str | None, unit: Unit, ours: float, theirs: float) -> str | None:
        """Return the text for the line of this competitor, or None if the target does not refer to it."""
        if name != (self.of or best):
            return None
        what = f"{self.speed:.2g}" if self.of else f"{self.speed:.2g} (the best)"
        return f"{what}: {_met(unit.speed(ours, theirs) >= self.speed)}"


@dataclass(frozen=True)
class AtMost:
    """The largest cost that dflow should have, in the unit of the table."""

    cost: float

    def at(self, name: str, best: str | None, unit: Unit, ours: float, theirs: float) -> str | None:
        """Return the text for dflow's line, or None for any other line."""
        return None if name != "dflow" else f"{self.cost:g} {unit.name}: {_met(unit.scale * ours <= self.cost)}"


Targets = Mapping[str, Sequence[Target | AtMost]]
Samples = dict[str, dict[str, list[float]]]  # case -> competitor -> one sample for each round


def report(
    question: str,
    unit: Unit,
    competitors: Sequence[Competitor],
    targets: Targets | None = None,
    rounds: int = ROUNDS,
    warm_up: bool = True,
) -> str:
    """Take all samples and return a section of Markdown: the question, its explanation, the table and the versions.

    question: the docstring of the script.  competitors: the first one is dflow.  A peer without cases has no
    environment: its lines are left out, and the section says so.
    """
    title, _, text = question.partition("\n")
    samples = take_turns(competitors, rounds, warm_up)
    for competitor in competitors:
        competitor.close()
    lines = [f"* {one.name}: {one.version}" for one in competitors if one.version]
    lines += [
        f"* {one.name} was not measured: its environment is not there (`make bench-peers` makes it)."
        for one in competitors
        if not one.cases
    ]
    parts = [f"## {title}", text.strip(), table(samples, unit, targets or {}), "\n".join(lines)]
    return "\n\n".join(part for part in parts if part)


def take_turns(competitors: Sequence[Competitor], rounds: int, warm_up: bool = True) -> Samples:
    """Compare the facts, then take one sample of each case of each competitor in each round.

    warm_up: take one more round first, and drop it.
    """
    cases = competitors[0].cases
    for case in cases:
        compare(case, competitors)
    samples: Samples = {case: {one.name: [] for one in competitors if case in one.cases} for case in cases}
    for _ in range(rounds + warm_up):
        for case, taken in samples.items():
            for competitor in competitors:
                if competitor.name in taken:
                    taken[competitor.name].append(competitor.sample(case))
    return {case: {name: found[warm_up:] for name, found in taken.items()} for case, taken in samples.items()}


def table(samples: Samples, unit: Unit, targets: Targets) -> str:
    """Make the table, with one line for each case and competitor."""
    lines = [["case", "", unit.name, "ratio (> 1: dflow better)", "target"], ["---", "---", "---:", "---:", "---"]]
    for case, taken in samples.items():
        ours = taken["dflow"]
        best = _best(taken, unit)
        for name, theirs in taken.items():
            said = [one.at(name, best, unit, median(ours), median(theirs)) for one in targets.get(case, ())]
            first = case if name == "dflow" else ""
            speed = "" if name == "dflow" else _speed(ours, theirs, unit)
            lines.append([first, name, _spread(theirs, unit), speed, ", ".join(filter(None, said))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _best(taken: Mapping[str, Sequence[float]], unit: Unit) -> str | None:
    """Return the name of the best peer."""
    peers = [name for name in taken if name not in ("dflow", BY_HAND)]
    return max(peers, key=lambda name: unit.speed(median(taken[name]), 1.0), default=None)


def _speed(ours: Sequence[float], theirs: Sequence[float], unit: Unit) -> str:
    """Return the ratio of the medians, and in how many rounds dflow was better if it was not so in all or in none."""
    figure = _figure(unit.speed(median(ours), median(theirs)))
    wins = sum(unit.speed(a, b) > 1 for a, b in zip(ours, theirs, strict=True))
    return figure if wins in (0, len(ours)) else f"{figure} (faster in {wins} of {len(ours)} rounds)"


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _spread(samples: Sequence[float], unit: Unit) -> str:
    low, middle, high = (_figure(unit.scale * value) for value in (min(samples), median(samples), max(samples)))
    return f"**{middle}** ({low} to {high})"


def _figure(value: float) -> str:
    """Format a number with about three significant digits, and with all digits before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
