"""The gate: rules as data (gate.toml), judged on what was measured or counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from llamaproof.attention.cell import HeadSizes
from llamaproof.bench.points import UBATCH, Point
from llamaproof.bench.record import SECONDS, PointResult, Unit
from llamaproof.bench.stats import Interval, cost_ratio, slope_interval
from llamaproof.errors import BadInput
from llamaproof.reports.document import Schema, expect
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.toml import read_toml

_CostPair = tuple[Sequence[float] | None, Sequence[float] | None]

DEFAULT_GATE = Path(__file__).with_name("gate.toml")
SCHEMA = Schema(name="llamaproof.gate", version=3)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of gate.toml.

    Attributes:
        at_most: the limit of cost.
        figure_at_most: the limit of each kind of counted work by itself; not below `at_most`.
        parameters: those of its kind.
    """

    name: str
    kind: str
    reason: str
    at_most: float
    figure_at_most: float
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The whole gate.

    Attributes:
        alpha: of the intervals of ratios.
        work_cost: the figure that counted work costs in all: the model's bound of time.
        figures: kinds of counted work that are limited by themselves too.
        regression: the ratio from which a cell is called a fall back in effect.
    """

    alpha: float
    work_cost: str
    figures: tuple[str, ...]
    regression: float
    rules: tuple[Rule, ...]

    def only(self, names: Sequence[str]) -> Gate:
        """The gate with the rules named.

        Raises:
            BadInput: there is no such rule.
        """
        known = {rule.name: rule for rule in self.rules}
        for name in names:
            if name not in known:
                raise BadInput(
                    f"the gate has no rule {name!r}", hint=f"the rules are {', '.join(known)}"
                )
        return replace(self, rules=tuple(known[name] for name in names))


@dataclass(frozen=True, kw_only=True)
class GateFinding:
    """One judgement of a rule: of a cell, a row of cells, or a pair.

    Attributes:
        value: the ratio or exponent judged; 0 where there is none.
    """

    outcome: Outcome
    text: str
    value: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """A rule with all it was judged on; without a finding nothing was checked."""

    rule: Rule
    findings: tuple[GateFinding, ...]

    @property
    def outcome(self) -> Outcome:
        return worst(finding.outcome for finding in self.findings)

    def count(self, outcome: Outcome) -> int:
        return sum(f.outcome is outcome for f in self.findings)


@dataclass(frozen=True, kw_only=True)
class GateEvidence:
    """What there is to judge.

    Attributes:
        unit: what the costs are.
        requested: the cells that were asked for; one without a result is missing evidence.
        results: of the target judged.
        references: results of the targets compared with, by role such as `0.3.16`.
        gone: why a role's results cannot be used, by role.
    """

    unit: Unit
    requested: Sequence[Point]
    results: Mapping[Point, PointResult]
    references: Mapping[str, Mapping[Point, PointResult]] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)


def load_gate(path: Path = DEFAULT_GATE) -> Gate:
    """Read a gate.

    Raises:
        BadInput: it is no TOML, or lacks something, or has a kind of rule that is not known.
    """
    document = read_toml(path, "the gate")
    expect(document, SCHEMA, where=path, hint=f"compare it with {DEFAULT_GATE.name} of llamaproof")
    try:
        return Gate(
            alpha=float(document["confidence"]["alpha"]),
            work_cost=str(document["work"]["cost"]),
            figures=tuple(document["work"]["figures"]),
            regression=float(document["regression"]["at_least"]),
            rules=tuple(_rule(value, path) for value in document["rule"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the gate is incomplete: {error!r}", where=path) from error


def judge(gate: Gate, evidence: GateEvidence) -> tuple[RuleVerdict, ...]:
    """Every rule of the gate on the evidence."""
    judged = Judged(gate=gate, evidence=evidence)
    return tuple(
        RuleVerdict(rule=rule, findings=tuple(_findings(rule, judged)))
        for rule in gate.rules
        if not _is_left_out(rule, evidence)
    )


def outcome_of(verdicts: Iterable[RuleVerdict]) -> Outcome:
    """What the gate comes to: a rule that fails is a defect of what was judged."""
    return worst(verdict.outcome for verdict in verdicts)


@dataclass(frozen=True, kw_only=True)
class _Limited:
    """A kind of cost with its limit.

    Attributes:
        noted_from: where it is worth a word although it is within its limit.
    """

    metric: str
    at_most: float
    noted_from: float


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The evidence, with what all kinds of rule ask of it."""

    gate: Gate
    evidence: GateEvidence

    @property
    def requested(self) -> frozenset[Point]:
        """The cells that were asked for; a rule is about these alone."""
        return frozenset(self.evidence.requested)

    def limits(self, rule: Rule) -> tuple[_Limited, ...]:
        """The kinds of cost that a rule judges: time, or work as a whole and figure by figure."""
        counted = self.evidence.unit == "counted work"
        cost = self.gate.work_cost if counted else SECONDS
        figures = self.gate.figures if counted else ()
        return (
            _Limited(metric=cost, at_most=rule.at_most, noted_from=rule.at_most),
            *(
                _Limited(metric=name, at_most=rule.figure_at_most, noted_from=rule.at_most)
                for name in figures
            ),
        )

    def cost(self, point: Point, metric: str) -> Sequence[float] | None:
        """Samples of a cell's cost; None without them."""
        return _cost(self.evidence.results.get(point), metric)

    def is_measured(self, point: Point) -> bool:
        """Whether a cell has any cost."""
        result = self.evidence.results.get(point)
        return result is not None and result.status == "measured"

    def why_not(self, point: Point) -> str:
        """Why a cell has no cost."""
        return _why_not(self.evidence.results.get(point))

    def compare(
        self,
        first: Sequence[float],
        second: Sequence[float],
        limit: _Limited,
        what: str,
    ) -> GateFinding:
        """A ratio of costs against its limit."""
        ratio = cost_ratio(first, second, alpha=self.gate.alpha)
        shown = f"{what} is {_times(ratio)}"
        if ratio.value >= self.gate.regression:
            shown += f", a {ratio.value:.1f}x REGRESSION: as costly as attention on the CPU"
        return _judged(ratio, limit, shown)

    def rows(self) -> Iterator[list[Point]]:
        """Requested cells that differ in n_kv alone, by n_kv."""
        rows: dict[Point, list[Point]] = {}
        for point in self.evidence.requested:
            if not point.prompt:
                rows.setdefault(point.varied(n_kv=1), []).append(point)
        for row in rows.values():
            yield sorted(row, key=lambda point: point.cell.n_kv)


def _on_gpu(_rule: Rule, judged: Judged) -> Iterator[GateFinding]:
    for point in judged.evidence.requested:
        result = judged.evidence.results.get(point)
        if result is not None and result.status == "measured":
            yield GateFinding(outcome=Outcome.HOLDS, text=f"{point}: on the GPU")
        elif result is not None and result.status in ("falls back", "aborts"):
            text = f"{point} {result.status}: {result.reason}"
            yield GateFinding(outcome=Outcome.DEFECT, text=text)
        else:
            yield _missing(str(point), judged.why_not(point))


def _slope(rule: Rule, judged: Judged) -> Iterator[GateFinding]:
    for row in judged.rows():
        points = [point for point in row if point.cell.n_kv >= rule.parameters["from_n_kv"]]
        if len(points) < rule.parameters["least_points"]:
            continue
        name = points[0].row
        if without := [point for point in points if not judged.is_measured(point)]:
            yield _missing(name, _absent(judged, without))
            continue
        for limit in judged.limits(rule):
            metric = limit.metric
            pairs = [(point, judged.cost(point, metric)) for point in points]
            if any(_is_none_at_all(cost) for _, cost in pairs):
                continue
            known = [(point.cell.n_kv, cost) for point, cost in pairs if cost is not None]
            absent = [point for point, cost in pairs if cost is None]
            if absent:
                yield _missing(f"{name}, {metric}", _absent(judged, absent))
            else:
                yield _judge_slope(rule, name, limit, known)


def _judge_slope(
    rule: Rule, name: str, limit: _Limited, known: Sequence[tuple[int, Sequence[float]]]
) -> GateFinding:
    slope = slope_interval(
        [n for n, _ in known], [c for _, c in known], alpha=rule.parameters["alpha"]
    )
    shown = f"{name}: {limit.metric} grow with n_kv to the power {_span(slope)}"
    return _judged(slope, limit, shown)


def _doubling(rule: Rule, judged: Judged) -> Iterator[GateFinding]:
    for row in judged.rows():
        lengths = {point.cell.n_kv: point for point in row}
        for n_kv, point in lengths.items():
            half = lengths.get(n_kv // 2)
            if half is None or n_kv % 2:
                continue
            what = f"{point.row}: {half.cell.n_kv} to {n_kv}"
            yield from _pair(rule, judged, point, half, what)


def _cliff(rule: Rule, judged: Judged) -> Iterator[GateFinding]:
    k, v = rule.parameters["head_sizes"]
    for point in judged.evidence.requested:
        if point.prompt or point.cell.heads != HeadSizes(k=k, v=v):
            continue
        if point.cell.ratio == rule.parameters["gqa_ratio"]:
            other = point.varied(ratio=rule.parameters["than_gqa_ratio"])
            if other not in judged.requested:
                continue
            what = f"{point} against ratio {other.cell.ratio}"
            yield from _pair(rule, judged, point, other, what)


def _prompt(rule: Rule, judged: Judged) -> Iterator[GateFinding]:
    first, last = rule.parameters["from_n_kv"], rule.parameters["to_n_kv"]
    for point in judged.evidence.requested:
        if point.prompt and point.cell.n_kv == last:
            start = point.varied(n_kv=first)
            for limit in judged.limits(rule):
                yield _judge_prompt(judged, start, point, limit)


def _judge_prompt(judged: Judged, start: Point, end: Point, limit: _Limited) -> GateFinding:
    metric = limit.metric
    what = f"{end}: growth of {metric} from {start.cell.n_kv}"
    short, long = judged.cost(start, metric), judged.cost(end, metric)
    if short is None or long is None:
        absent = [c for c, cost in ((start, short), (end, long)) if cost is None]
        return _missing(what, _absent(judged, absent))
    singles = {
        point.cell.n_kv: judged.cost(point, metric)
        for row in judged.rows()
        for point in row
        if point.varied(n_kv=end.cell.n_kv).cell == end.cell and point.cell.n_kv <= end.cell.n_kv
    }
    known = {n: median(cost) for n, cost in singles.items() if cost is not None}
    needed = {start.cell.n_kv << i for i in range((end.cell.n_kv // start.cell.n_kv).bit_length())}
    if not needed <= known.keys():
        lacking = ", ".join(map(str, sorted(needed - known.keys())))
        return _missing(what, f"no single cells at n_kv {lacking} to predict it from")
    predicted = predicted_sum(known, end.cell.n_kv) / predicted_sum(known, start.cell.n_kv)
    return judged.compare(
        long,
        [value * predicted for value in short],
        limit,
        f"{what} over the {predicted:.1f}x that the sum of its ubatches predicts",
    )


def predicted_sum(known: Mapping[int, float], n_kv: int, *, ubatch: int = UBATCH) -> float:
    """The cost of a prompt from the costs of single ubatches at some n_kv.

    Between known lengths the cost is taken as linear; below the first, along the line through
    the first two, and at least in proportion to n_kv.
    """
    lengths = sorted(known)
    costs = [known[n] for n in lengths]
    return sum(_interpolated(lengths, costs, n) for n in range(ubatch, n_kv + 1, ubatch))


def _interpolated(lengths: Sequence[int], costs: Sequence[float], n: int) -> float:
    if n < lengths[0]:
        rise = (costs[1] - costs[0]) / (lengths[1] - lengths[0]) if len(lengths) > 1 else 0.0
        return max(costs[0] + rise * (n - lengths[0]), costs[0] * n / lengths[0])
    for i in range(1, len(lengths)):
        if n <= lengths[i]:
            share = (n - lengths[i - 1]) / (lengths[i] - lengths[i - 1])
            return costs[i - 1] + share * (costs[i] - costs[i - 1])
    return costs[-1] * n / lengths[-1]


def _against(rule: Rule, judged: Judged) -> Iterator[GateFinding]:
    role = rule.parameters["role"]
    reference = judged.evidence.references.get(role)
    if reference is None:
        why = judged.evidence.gone.get(role, f"no results of {role} were given")
        yield _missing(f"against {role}", why)
        return
    for point in judged.evidence.requested:
        yield from _against_one(rule, judged, point, reference.get(point))


def _against_one(
    rule: Rule, judged: Judged, point: Point, other: PointResult | None
) -> Iterator[GateFinding]:
    role = rule.parameters["role"]
    if other is not None and other.status in ("falls back", "aborts"):
        text = f"{point}: {role} does not run it on the GPU"
        yield GateFinding(outcome=Outcome.HOLDS, text=text)
        return
    if other is None and point.cell.n_streams > 1:
        # The kept counts of releases are of one sequence: several are judged by the other rules.
        text = f"{point}: there are no counts of {role} for several sequences"
        yield GateFinding(outcome=Outcome.NOTED, text=text)
        return
    theirs = f"{role}: {_why_not(other)}"
    if not judged.is_measured(point) or other is None or other.status != "measured":
        why = theirs if judged.is_measured(point) else judged.why_not(point)
        yield _missing(f"{point} against {role}", why)
        return
    for limit in judged.limits(rule):
        what = f"{point}: {limit.metric} against {role}"
        first, second = judged.cost(point, limit.metric), _cost(other, limit.metric)
        why = judged.why_not(point) if first is None else theirs
        yield from _compared(judged, limit, (first, second), what, why)


def _pair(
    rule: Rule, judged: Judged, point: Point, other: Point, what: str
) -> Iterator[GateFinding]:
    if without := [c for c in (point, other) if not judged.is_measured(c)]:
        yield _missing(what, _absent(judged, without))
        return
    for limit in judged.limits(rule):
        first, second = judged.cost(point, limit.metric), judged.cost(other, limit.metric)
        absent = [c for c, cost in ((point, first), (other, second)) if cost is None]
        why = _absent(judged, absent)
        yield from _compared(judged, limit, (first, second), f"{what}, {limit.metric}", why)


def _compared(
    judged: Judged, limit: _Limited, costs: _CostPair, what: str, why_missing: str
) -> Iterator[GateFinding]:
    """One kind of cost of two; nothing where either does nothing of that kind."""
    first, second = costs
    if first is None or second is None:
        yield _missing(what, why_missing)
    elif not (_is_none_at_all(first) or _is_none_at_all(second)):
        yield judged.compare(first, second, limit, what)


def _judged(found: Interval, limit: _Limited, shown: str) -> GateFinding:
    """An interval against its limit: it fails or holds as a whole, or was not checked."""
    if found.low > limit.at_most:
        text = f"{shown}, more than {limit.at_most}"
        return GateFinding(outcome=Outcome.DEFECT, text=text, value=found.value)
    if found.high <= limit.at_most:
        return _within(limit, found.high, shown)
    text = f"{shown}: the noise leaves it on both sides of {limit.at_most}"
    return GateFinding(outcome=Outcome.NOT_CHECKED, text=text, value=found.value)


def _within(limit: _Limited, value: float, shown: str) -> GateFinding:
    """What is within its limit: a figure that is beyond the limit of cost is worth a word."""
    if value <= limit.noted_from:
        text = f"{shown}, at most {limit.at_most}"
        return GateFinding(outcome=Outcome.HOLDS, text=text, value=value)
    text = f"{shown}, more than {limit.noted_from} by itself, at most {limit.at_most}"
    return GateFinding(outcome=Outcome.NOTED, text=text, value=value)


def _is_none_at_all(cost: Sequence[float] | None) -> bool:
    """Whether a kernel does nothing of a kind, as one without matrix operations does.

    A ratio to that says nothing; what the kernel does instead shows in the other kinds.
    """
    return cost is not None and len(cost) == 1 and cost[0] == 0


def _findings(rule: Rule, judged: Judged) -> Iterator[GateFinding]:
    unit = rule.parameters.get("unit", judged.evidence.unit)
    if unit != judged.evidence.unit:
        text = f"judged on {unit} alone, and this is {judged.evidence.unit}"
        yield GateFinding(outcome=Outcome.NOTED, text=text)
        return
    yield from _KINDS[rule.kind](rule, judged)


def _is_left_out(rule: Rule, evidence: GateEvidence) -> bool:
    """Whether a rule is about a reference only judged when the user brings it."""
    role = rule.parameters.get("role")
    given = role in evidence.references or role in evidence.gone
    return bool(rule.parameters.get("only_if_given")) and not given


_KINDS: Mapping[str, Callable[[Rule, Judged], Iterator[GateFinding]]] = {
    "on_gpu": _on_gpu,
    "slope": _slope,
    "doubling": _doubling,
    "prompt": _prompt,
    "cliff": _cliff,
    "against": _against,
}


def _rule(value: Mapping[str, Any], path: Path) -> Rule:
    rest = dict(value)
    at_most = float(rest.pop("at_most", math.inf))
    rule = Rule(
        name=rest.pop("name"),
        kind=rest.pop("kind"),
        reason=rest.pop("reason"),
        at_most=at_most,
        figure_at_most=float(rest.pop("figure_at_most", at_most)),
        parameters=rest,
    )
    if rule.figure_at_most < rule.at_most:
        raise BadInput(f"rule {rule.name!r}: figure_at_most is below at_most", where=path)
    if rule.kind not in _KINDS:
        raise BadInput(
            f"rule {rule.name!r} is of an unknown kind {rule.kind!r}",
            where=path,
            hint=f"the kinds are {', '.join(_KINDS)}",
        )
    return rule


def _cost(result: PointResult | None, metric: str) -> Sequence[float] | None:
    return result.costs.get(metric) if result is not None else None


def _why_not(result: PointResult | None) -> str:
    if result is None:
        return "it was not measured"
    if result.status == "measured":
        return "it was measured, but not this kind of cost"
    return f"{result.status}: {result.reason}" if result.reason else result.status


def _absent(judged: Judged, points: Sequence[Point]) -> str:
    named = "; ".join(f"{point}: {judged.why_not(point)}" for point in points[:3])
    more = f"; and {len(points) - 3} more" if len(points) > 3 else ""
    return named + more


def _missing(what: str, why: str) -> GateFinding:
    return GateFinding(outcome=Outcome.NOT_CHECKED, text=f"{what} could not be checked ({why})")


def _span(interval: Interval) -> str:
    if interval.low == interval.high:
        return f"{interval.value:.3f}"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _times(interval: Interval) -> str:
    return _span(interval) + "x"
