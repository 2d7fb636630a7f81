"""Line charts as SVG, written by hand: panels side by side, linear, logarithmic or percentile axes, legible on light and on dark pages.

Invariant: the same figures give the same bytes, so that a recorded picture only changes when its figures do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 34, 46
#: On white and on black; dashes tell lines apart without colours.
COLORS = [
    ("#1f5fd0", "#74aaff", "none"),
    ("#c4501b", "#ff9a5c", "7 3"),
    ("#1f8a4c", "#5fd093", "2 3"),
    ("#8a3fb5", "#cf9aec", "9 3 2 3"),
    ("#7a6a00", "#d9c34a", "12 4"),
]


@dataclass(frozen=True)
class Line:
    """Points in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One set of axes. An axis is `linear`, `log`, or `tail`: a share of all in the order of logarithms, named by its percentile."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_axis: str = "log"
    y_axis: str = "log"
    #: A level to compare with, and what it is.
    mark: tuple[float, str] | None = None
    #: Values that the y axis shows whatever the lines are, so that panels can be compared.
    y_range: tuple[float, ...] = ()


def number(value: float) -> str:
    """As an axis says it: `20k`, `1.5`, `1M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def tail_name(share: float) -> str:
    """`p99` for 0.01."""
    return "min" if share >= 1 else f"p{round(100 * (1 - share), 6):g}"


def scale(kind: str, low: float, high: float, start: float, end: float) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """The place of a value, and the values to name."""
    if kind == "linear":
        step = 10 ** math.floor(math.log10(max(high - low, 1e-9)))
        step *= next(factor for factor in (0.2, 0.25, 0.5, 1, 2) if (high - low) / (step * factor) <= 6)
        high = math.ceil(high / step) * step
        low = math.floor(low / step) * step
        ticks = [(low + i * step, number(round(low + i * step, 9))) for i in range(round((high - low) / step) + 1)]
        return lambda value: start + (value - low) / (high - low or 1) * (end - start), ticks
    first, last = math.log10(low), math.log10(high)
    if kind == "tail":
        # From all to the rarest, left to right.
        ticks = [(10.0**i, tail_name(10.0**i)) for i in range(math.floor(last + 1e-9), math.ceil(first - 1e-9) - 1, -1)]
        ticks.insert(1, (0.5, "p50"))
        return lambda value: start + (last - math.log10(value)) / ((last - first) or 1) * (end - start), ticks
    room = max(0.08, (last - first) * 0.03)
    first, last = first - room, last + room
    decades = range(math.ceil(first), math.floor(last) + 1)
    # Within a decade or two its parts are named, too.
    steps = (1,) if len(decades) > 2 else (1, 2, 5)
    every = max(1, -(-len(decades) // 7))
    values = [step * 10.0**i for i in range(math.floor(first), math.floor(last) + 1) for step in steps if i % every == 0]
    ticks = [(value, number(value)) for value in values if first <= math.log10(value) <= last]
    return lambda value: start + (math.log10(value) - first) / (last - first) * (end - start), ticks


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points closer than half a pixel to the last one drawn are left out, but the last."""
    kept: list[tuple[float, float]] = []
    for point in points:
        if not kept or abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= 0.5:
            kept.append(point)
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


def panel(item: Panel, left: float) -> list[str]:
    """The drawing of one panel, its upper left corner at (`left`, 0)."""
    logarithmic = lambda kind, value: kind == "linear" or value > 0  # noqa: E731
    lines = [
        (line.name, [(x, y) for x, y in line.points if logarithmic(item.x_axis, x) and logarithmic(item.y_axis, y)]) for line in item.lines
    ]
    xs = [x for _, points in lines for x, _ in points]
    ys = [y for _, points in lines for _, y in points] + ([item.mark[0]] if item.mark else []) + list(item.y_range)
    out = [f'<g transform="translate({left:g} 0)">', f'<text class="title" x="{LEFT}" y="20">{escape(item.title)}</text>']
    if not xs:
        return [*out, f'<text x="{LEFT}" y="60">no figures</text>', "</g>"]
    place_x, ticks_x = scale(item.x_axis, min(xs), max(xs), LEFT, WIDTH - RIGHT)
    low = min(0.0, *ys) if item.y_axis == "linear" else min(ys)
    place_y, ticks_y = scale(item.y_axis, low, max(ys), HEIGHT - BOTTOM, TOP)
    for value, name in ticks_x:
        x = place_x(value)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{name}</text>')
    for value, name in ticks_y:
        y = place_y(value)
        out.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        out.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text class="label" x="{middle:g}" y="{HEIGHT - 10}" text-anchor="middle">{escape(item.x_label)}</text>')
    turned = f"translate(14 {(TOP + HEIGHT - BOTTOM) / 2:g}) rotate(-90)"
    out.append(f'<text class="label" transform="{turned}" text-anchor="middle">{escape(item.y_label)}</text>')
    if item.mark:
        y = place_y(item.mark[0])
        out.append(f'<line class="mark" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        out.append(f'<text class="tick" x="{WIDTH - RIGHT - 4}" y="{y - 4:.1f}" text-anchor="end">{escape(item.mark[1])}</text>')
    for index, (_, points) in enumerate(lines):
        drawn = thinned([(place_x(x), place_y(y)) for x, y in points])
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        out.append(f'<polyline class="line c{index % len(COLORS)}" points="{path}"/>')
        if len(points) <= 12:
            out += [f'<circle class="dot d{index % len(COLORS)}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in drawn]
    return [*out, "</g>"]


def svg(panels: Sequence[Panel], description: str) -> str:
    """A picture of panels side by side, two lines of them if there are many; `description` is what a reader who cannot see it is told."""
    columns = len(panels) if len(panels) <= 3 else -(-len(panels) // 2)
    rows = -(-len(panels) // columns)
    names: list[str] = []
    for item in panels:
        names += [line.name for line in item.lines if line.name not in names]
    # One legend for all panels: lines of one name stand at one index, and so look alike.
    named = [{line.name: line for line in item.lines} for item in panels]
    ordered = [replace(item, lines=[own.get(name, Line(name, ())) for name in names]) for item, own in zip(panels, named, strict=True)]
    legend_height = 26 if len(names) > 1 else 6
    width, height = columns * WIDTH, rows * HEIGHT + legend_height
    light, dark = [], []
    for index, (on_white, on_black, dashes) in enumerate(COLORS):
        light.append(f".c{index} {{ stroke: {on_white}; stroke-dasharray: {dashes} }} .d{index} {{ fill: {on_white} }}")
        dark.append(f".c{index} {{ stroke: {on_black} }} .d{index} {{ fill: {on_black} }}")
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(description)}</title>",
        "<style>",
        "text { font-family: system-ui, sans-serif; font-size: 12px; fill: #1f2328 } .title { font-size: 14px; font-weight: 600 }",
        ".page { fill: #ffffff } .tick { font-size: 11px; fill: #59636e } .grid { stroke: #d1d9e0; stroke-width: 0.7 }",
        ".mark { stroke: #59636e; stroke-dasharray: 1 3 } .line { fill: none; stroke-width: 1.8 }",
        *light,
        "@media (prefers-color-scheme: dark) {",
        "text { fill: #f0f6fc } .page { fill: #0d1117 } .tick { fill: #9198a1 } .grid { stroke: #3d444d } .mark { stroke: #9198a1 }",
        *dark,
        "}",
        "</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
    ]
    for index, item in enumerate(ordered):
        out.append(f'<g transform="translate(0 {index // columns * HEIGHT})">')
        out += panel(item, index % columns * WIDTH)
        out.append("</g>")
    if len(names) > 1:
        left = float(LEFT)
        for index, name in enumerate(names):
            y = height - 12
            out.append(f'<line class="line c{index % len(COLORS)}" x1="{left:g}" y1="{y - 4}" x2="{left + 30:g}" y2="{y - 4}"/>')
            out.append(f'<text x="{left + 36:g}" y="{y}">{escape(name)}</text>')
            left += 60 + 7.2 * len(name)
    return "\n".join([*out, "</svg>", ""])


def tail(values: Sequence[float]) -> list[tuple[float, float]]:
    """The latency curve of some times: for each share of them, the time that it exceeds."""
    ordered = sorted(values, reverse=True)
    count = len(ordered)
    # Ranks that a logarithmic axis can tell apart.
    ranks = sorted({min(count, max(1, round(10 ** (i / 200 * math.log10(count))))) for i in range(201)}) if count > 1 else [1] * count
    return [(rank / count, ordered[rank - 1]) for rank in reversed(ranks)]
