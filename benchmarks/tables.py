"""Samples taken in turns, and their table: medians and spreads, dflow's speed beside each peer, and its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from competitors import Competitor, compare
from measure import ROUNDS, Unit

BY_HAND = "by hand"  # no system, but what the machine can do: no target but its own counts it as a peer


@dataclass(frozen=True)
class Target:
    """dflow shall be at least so fast if `of` is 1; of: a competitor's name, or None for the best of the peers."""

    speed: float
    of: str | None = None

    def at(self, name: str, best: str | None, unit: Unit, ours: float, theirs: float) -> str | None:
        """What the table says in the line of this competitor; None if it is not about it."""
        if name != (self.of or best):
            return None
        what = f"{self.speed:.2g}" if self.of else f"{self.speed:.2g} (the best)"
        return f"{what}: {_met(unit.speed(ours, theirs) >= self.speed)}"


@dataclass(frozen=True)
class AtMost:
    """dflow's own cost shall not be above this, in the unit as shown."""

    cost: float

    def at(self, name: str, best: str | None, unit: Unit, ours: float, theirs: float) -> str | None:
        """What the table says in dflow's line."""
        return None if name != "dflow" else f"{self.cost:g} {unit.name}: {_met(unit.scale * ours <= self.cost)}"


Targets = Mapping[str, Sequence[Target | AtMost]]
Samples = dict[str, dict[str, list[float]]]  # case -> competitor -> one a round


def report(
    question: str,
    unit: Unit,
    competitors: Sequence[Competitor],
    targets: Targets | None = None,
    rounds: int = ROUNDS,
    warm_up: bool = True,
) -> str:
    """Take all samples; the answer to a question, its script's docstring, as Markdown.  The first competitor is dflow.

    A competitor without a version but with no cases either has no environment: its lines are left out.
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
    """One sample of each case of each competitor in each round.  A first round warms up and is dropped.

    Before it, the facts are compared.
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
    """One line a case and competitor; medians, with the smallest and the largest sample."""
    lines = [["case", "", unit.name, "dflow's ratio, this = 1", "target"], ["---", "---", "---:", "---:", "---"]]
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
    """The fastest of the peers."""
    peers = [name for name in taken if name not in ("dflow", BY_HAND)]
    return max(peers, key=lambda name: unit.speed(median(taken[name]), 1.0), default=None)


def _speed(ours: Sequence[float], theirs: Sequence[float], unit: Unit) -> str:
    """The ratio of medians; samples of one round were taken one after the other, so they may disagree with it."""
    figure = _figure(unit.speed(median(ours), median(theirs)))
    wins = sum(unit.speed(a, b) > 1 for a, b in zip(ours, theirs, strict=True))
    return figure if wins in (0, len(ours)) else f"{figure} (faster in {wins} of {len(ours)} rounds)"


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _spread(samples: Sequence[float], unit: Unit) -> str:
    low, middle, high = (_figure(unit.scale * value) for value in (min(samples), median(samples), max(samples)))
    return f"**{middle}** ({low} to {high})"


def _figure(value: float) -> str:
    """Three digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
