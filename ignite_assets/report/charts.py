"""The charts of a report: numbers in, drawings out."""

from collections.abc import Sequence

import altair as alt

from ignite_assets.report.audiences import Audiences, Trend
from ignite_assets.report.drawing import Chart, ChartRow, Drawing, draw, inline
from ignite_assets.report.inventory import Stack
from ignite_assets.report.visitors import VisitorDay
from ignite_assets.report.words import count, day_words, short_day

MOST_AUDIENCES = 10
_WIDE, _HALF = 720, 440
_LONGEST_LABEL = 150
_CONDITIONS = {"new": "var(--orange)", "used": "var(--blue)", "other": "var(--grey)"}
_MOVES = {"joined": "var(--blue)", "left": "var(--orange)"}
_CAPTURES = {"in its night": "var(--blue)", "later": "var(--blue-soft)"}


def visitors_chart(days: Sequence[VisitorDay]) -> Drawing:
    """A bar a day, days that are missing as gaps, and the seven-day mean."""
    summary = (
        f"Bar chart of visitors a day from {day_words(days[0].date)} to {day_words(days[-1].date)}, with their "
        "seven-day mean. The table below holds its numbers."
    )
    return draw("visitors", summary, lambda width: _visitors(days, width), wide=_WIDE)


def _visitors(days: Sequence[VisitorDay], width: int) -> Chart:
    top = max([day.visitors or 0 for day in days] + [1])
    height = alt.Scale(domain=[0, top], nice=True)
    axis = alt.Axis(tickCount=4, ticks=False, domain=False)
    x, told = _days_across(days, every=7 if width == _WIDE else 14), alt.Description("told:N")
    base = alt.Chart(inline(map(_day_row, days)), width=width, height=200 if width == _WIDE else 170).encode(x=x)
    gaps = base.transform_filter("datum.visitors === null").mark_bar(color="var(--gap)")
    bars = base.transform_filter("datum.visitors !== null").mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
    line = base.mark_line(
        color="var(--ink)", strokeWidth=2, interpolate="monotone", invalid="break-paths-filter-domains"
    )
    return alt.layer(
        gaps.encode(y=alt.YDatum(top), description=told),
        bars.encode(
            y=alt.Y("visitors:Q", title=None, axis=axis, scale=height),
            color=_colours("capture:N", _CAPTURES),
            description=told,
        ),
        line.encode(y=alt.Y("mean:Q", scale=height)),
    )


def _days_across(days: Sequence[VisitorDay], *, every: int) -> alt.X:
    """The days in order, some of them labelled: the last, and back from there."""
    shown = [short_day(day.date) for day in days]
    return alt.X(
        "day:N",
        sort=shown,
        title=None,
        axis=alt.Axis(values=shown if len(shown) <= 10 else shown[::-1][::every], labelAngle=0, labelOverlap=True),
        scale=alt.Scale(paddingInner=0.22, paddingOuter=0.1),
    )


def _day_row(day: VisitorDay) -> ChartRow:
    known = f"{day_words(day.date)}: not captured"
    if day.visitors is not None:
        mean = f", seven-day mean {day.mean:,.0f}" if day.mean is not None else ""
        late = f", captured {count(day.days_late, 'day')} late" if day.days_late else ""
        known = f"{day_words(day.date)}: {count(day.visitors, 'visitor')}{mean}{late}"
    return {
        "day": short_day(day.date),
        "visitors": day.visitors,
        "capture": "later" if day.days_late else "in its night",
        "mean": day.mean,
        "told": known,
    }


def audiences_chart(audiences: Audiences) -> Drawing:
    """Who joined, to the right, and who left, to the left, of the audiences that moved most."""
    shown = [trend for trend in audiences.trends if trend.joined or trend.left][:MOST_AUDIENCES]
    summary = (
        f"Bar chart of how many people joined and left the {len(shown)} audiences that moved most. "
        "The table beside it holds its numbers."
    )
    return draw("audiences", summary, lambda width: _audiences(shown, width), wide=_HALF)


def _audiences(trends: Sequence[Trend], width: int) -> Chart:
    rows = [row for trend in trends for row in _moves(trend)]
    most = max([trend.joined for trend in trends] + [trend.left for trend in trends] + [1])
    base = alt.Chart(inline(rows), width=width, height=alt.Step(25)).encode(
        x=alt.X("people:Q", title=None, axis=None, scale=alt.Scale(domain=[-1.3 * most, 1.3 * most], nice=False)),
        y=_labels_down("audience:N", [trend.label for trend in trends], width),
    )
    bars = base.mark_bar(cornerRadius=2, height=14).encode(color=_colours("move:N", _MOVES), description="told:N")
    right = base.transform_filter("datum.people > 0").mark_text(align="left", dx=5, fontSize=11, color="var(--muted)")
    left = base.transform_filter("datum.people < 0").mark_text(align="right", dx=-5, fontSize=11, color="var(--muted)")
    middle = alt.Chart(inline([{}])).mark_rule(color="var(--line)").encode(x=alt.XDatum(0, axis=None))
    return alt.layer(middle, bars, right.encode(text="shown:N"), left.encode(text="shown:N"))


def _moves(trend: Trend) -> list[ChartRow]:
    return [
        {
            "audience": trend.label,
            "people": people if move == "joined" else -people,
            "move": move,
            "shown": f"{'+' if move == 'joined' else '−'}{people:,}",
            "told": f"{trend.label}: {people:,} {move}",
        }
        for move, people in (("joined", trend.joined), ("left", trend.left))
    ]


def inventory_chart(name: str, of: str, stacks: Sequence[Stack]) -> Drawing:
    """A bar a kind, new and used products one after the other."""
    summary = f"Bar chart of products by {of}, new and used. The table below holds its numbers."
    return draw(name, summary, lambda width: _stacks(stacks, width), wide=_HALF)


def _stacks(stacks: Sequence[Stack], width: int) -> Chart:
    most = max([stack.total for stack in stacks] + [1])
    x = alt.X("products:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * 1.15], nice=False))
    y = _labels_down("label:N", [stack.label for stack in stacks], width)
    bars = alt.Chart(inline(row for stack in stacks for row in _parts(stack))).mark_bar(height=16)
    totals = inline({"label": each.label, "products": each.total, "shown": f"{each.total:,}"} for each in stacks)
    ends = alt.Chart(totals).mark_text(align="left", dx=5, fontSize=11, color="var(--muted)")
    colours, order = _colours("condition:N", _CONDITIONS), alt.Order("order:O")
    return alt.layer(
        bars.encode(x=x, y=y, color=colours, order=order, description="told:N"),
        ends.encode(x=x, y=y, text="shown:N"),
    ).properties(width=width, height=alt.Step(27))


def _parts(stack: Stack) -> list[ChartRow]:
    parts = {"new": stack.new, "used": stack.used, "other": stack.other}
    return [
        {
            "label": stack.label,
            "condition": condition,
            "order": order,
            "products": products,
            "told": f"{stack.label}, {condition}: {count(products, 'product')}",
        }
        for order, (condition, products) in enumerate(parts.items())
        if products
    ]


def _labels_down(field: str, labels: Sequence[str], width: int) -> alt.Y:
    longest = min(_LONGEST_LABEL, width * 2 // 5)
    axis = alt.Axis(ticks=False, domain=False, labelLimit=longest, labelColor="var(--ink)")
    return alt.Y(field, sort=list(labels), title=None, axis=axis)


def _colours(field: str, colours: dict[str, str]) -> alt.Color:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(field, scale=scale, legend=None)
