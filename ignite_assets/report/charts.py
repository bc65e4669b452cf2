"""The charts of a report: numbers in, drawings out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ignite_assets.report.audiences import Audiences, Trend
from ignite_assets.report.drawing import Drawing, draw
from ignite_assets.report.inventory import Stack
from ignite_assets.report.visitors import VisitorDay
from ignite_assets.report.words import count, day_words, short_day

if TYPE_CHECKING:
    import altair as alt

MOST_AUDIENCES = 10
_WIDE, _HALF = 720, 440
_LONGEST_LABEL = 150


def visitors_chart(days: Sequence[VisitorDay]) -> Drawing:
    """A bar a day, days that are missing as gaps, and the seven-day mean."""
    summary = (
        f"Bar chart of visitors a day from {day_words(days[0].date)} to {day_words(days[-1].date)}, with their "
        "seven-day mean. The table below holds its numbers."
    )
    return draw("visitors", summary, lambda width: _visitors(days, width), wide=_WIDE)


def _visitors(days: Sequence[VisitorDay], width: int) -> "alt.TopLevelMixin":
    import altair as alt

    rows = [
        {
            "day": short_day(day.date),
            "visitors": day.visitors,
            "kind": "missing" if day.visitors is None else "late" if day.days_late else "own",
            "mean": day.mean,
            "told": _told(day),
        }
        for day in days
    ]
    every = 7 if width == _WIDE else 14
    labelled = [short_day(day.date) for day in days[::-1][::every]] if len(days) > 10 else [row["day"] for row in rows]
    top = max([day.visitors or 0 for day in days] + [1])
    x = alt.X(
        "day:N",
        sort=[row["day"] for row in rows],
        title=None,
        axis=alt.Axis(values=labelled, labelAngle=0, ticks=True, labelOverlap=True),
        scale=alt.Scale(paddingInner=0.22, paddingOuter=0.1),
    )
    y = alt.Y("visitors:Q", title=None, axis=alt.Axis(tickCount=4, ticks=False, domain=False), scale=_zero_to(top))
    base = alt.Chart(alt.Data(values=rows), width=width, height=200 if width == _WIDE else 170)
    colours = alt.Scale(domain=["own", "late"], range=["var(--blue)", "var(--blue-soft)"])
    told = alt.Description("told:N")
    bars = base.transform_filter("datum.visitors !== null").mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
    gaps = base.transform_filter("datum.kind === 'missing'").mark_bar(color="var(--gap)")
    line = base.mark_line(
        color="var(--ink)", strokeWidth=2, interpolate="monotone", invalid="break-paths-filter-domains"
    )
    return alt.layer(
        gaps.encode(x=x, y=alt.YDatum(top), description=told),
        bars.encode(x=x, y=y, color=alt.Color("kind:N", scale=colours, legend=None), description=told),
        line.encode(x=x, y=alt.Y("mean:Q", scale=_zero_to(top))),
    )


def _zero_to(top: float) -> "alt.Scale":
    import altair as alt

    return alt.Scale(domain=[0, top], nice=True)


def _told(day: VisitorDay) -> str:
    if day.visitors is None:
        return f"{day_words(day.date)}: not captured"
    mean = f", seven-day mean {day.mean:,.0f}" if day.mean is not None else ""
    late = f", captured {count(day.days_late, 'day')} late" if day.days_late else ""
    return f"{day_words(day.date)}: {count(day.visitors, 'visitor')}{mean}{late}"


def audiences_chart(audiences: Audiences) -> Drawing:
    """Who joined, to the right, and who left, to the left, of the audiences that moved most."""
    shown = [trend for trend in audiences.trends if trend.joined or trend.left][:MOST_AUDIENCES]
    summary = (
        f"Bar chart of how many people joined and left the {len(shown)} audiences that moved most. "
        "The table below holds its numbers."
    )
    return draw("audiences", summary, lambda width: _audiences(shown, width), wide=_HALF)


def _audiences(trends: Sequence[Trend], width: int) -> "alt.TopLevelMixin":
    import altair as alt

    rows = [
        {
            "audience": f"{trend.label}\u200b{'' if labels_once(trends, trend) else f' #{trend.audience}'}",
            "people": people,
            "kind": kind,
            "shown": f"{'+' if kind == 'joined' else '−'}{abs(people):,}",
            "told": f"{trend.label}: {abs(people):,} {kind}",
        }
        for trend in trends
        for kind, people in (("joined", trend.joined), ("left", -trend.left))
    ]
    most = max([abs(row["people"]) for row in rows if isinstance(row["people"], int)] + [1])
    base = alt.Chart(alt.Data(values=rows), width=width, height=alt.Step(25))
    y = alt.Y(
        "audience:N",
        sort=list(dict.fromkeys(row["audience"] for row in rows)),
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelLimit=_limit(width), labelColor="var(--ink)"),
    )
    x = alt.X(
        "people:Q",
        title=None,
        axis=None,
        scale=alt.Scale(domain=[-most * 1.3, most * 1.3], nice=False),
    )
    colours = alt.Scale(domain=["joined", "left"], range=["var(--blue)", "var(--orange)"])
    colour = alt.Color("kind:N", scale=colours, legend=None)
    bars = base.mark_bar(cornerRadius=2, height=14)
    drawn = base.transform_filter("datum.people !== 0")
    return alt.layer(
        base.mark_rule(color="var(--line)").encode(x=alt.XDatum(0, axis=None)),
        bars.encode(x=x, y=y, color=colour, description="told:N"),
        drawn.transform_filter("datum.people > 0")
        .mark_text(align="left", dx=5, fontSize=11, color="var(--muted)")
        .encode(x=x, y=y, text="shown:N"),
        drawn.transform_filter("datum.people < 0")
        .mark_text(align="right", dx=-5, fontSize=11, color="var(--muted)")
        .encode(x=x, y=y, text="shown:N"),
    )


def labels_once(trends: Sequence[Trend], trend: Trend) -> bool:
    """Whether no other of the audiences has the same label."""
    return sum(each.label == trend.label for each in trends) == 1


def inventory_chart(name: str, of: str, stacks: Sequence[Stack]) -> Drawing:
    """A bar a kind, new and used products one after the other."""
    summary = f"Bar chart of products by {of}, new and used. The table below holds its numbers."
    return draw(name, summary, lambda width: _stacks(stacks, width), wide=_HALF)


def _stacks(stacks: Sequence[Stack], width: int) -> "alt.TopLevelMixin":
    import altair as alt

    kinds = ("new", "used", "other")
    rows: list[dict[str, Any]] = [
        {
            "label": stack.label,
            "kind": kind,
            "order": place,
            "products": getattr(stack, kind),
            "told": f"{stack.label}, {kind}: {count(getattr(stack, kind), 'product')}",
        }
        for stack in stacks
        for place, kind in enumerate(kinds)
        if getattr(stack, kind)
    ]
    totals = [{"label": stack.label, "products": stack.total, "shown": f"{stack.total:,}"} for stack in stacks]
    most = max([stack.total for stack in stacks] + [1])
    y = alt.Y(
        "label:N",
        sort=[stack.label for stack in stacks],
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelLimit=_limit(width), labelColor="var(--ink)"),
    )
    x = alt.X("products:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * 1.15], nice=False))
    colours = alt.Scale(domain=list(kinds), range=["var(--orange)", "var(--blue)", "var(--grey)"])
    bars = alt.Chart(alt.Data(values=rows)).mark_bar(height=16)
    ends = alt.Chart(alt.Data(values=totals)).mark_text(align="left", dx=5, fontSize=11, color="var(--muted)")
    return alt.layer(
        bars.encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=colours, legend=None),
            order=alt.Order("order:O"),
            description="told:N",
        ),
        ends.encode(x=x, y=y, text="shown:N"),
    ).properties(width=width, height=alt.Step(27))


def _limit(width: int) -> int:
    """Pixels that labels may take."""
    return min(_LONGEST_LABEL, width * 2 // 5)
