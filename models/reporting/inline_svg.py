"""Small inline drawings in the page: an interval beside a value, and a distribution as one bar. SVG without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from ambivox.models.reporting.emotion_colours import label_colours
from ambivox.models.reporting.estimates import Estimate
from ambivox.models.reporting.source_names import source_colour

_GREY = "#888888"
_TRACK, _INTERVAL = "#eef1f4", "#39424e"
_LEAST_TITLE_SHARE = 0.005
_LEAST_WIDTH = 0.02


def interval(
    estimate: Estimate | None, low: float, high: float, source: str, reference: float | None = None
) -> Markup:
    """Draw an estimate as a dot with its interval.

    Args:
        estimate: what to draw; nothing for None.
        low: the left end of the scale.
        high: the right end of the scale.
        source: the key of the source, which decides the colour.
        reference: where to draw a thin dashed line; None for none.
    """
    if estimate is None or high <= low:
        return Markup("")
    colour = source_colour(source, _GREY)

    def x(value: float) -> float:
        return 4 + 152 * (min(max(value, low), high) - low) / (high - low)

    parts = ['<svg class="interval" viewBox="0 0 160 16" width="160" height="16" aria-hidden="true">']
    parts.append('<line x1="4" x2="156" y1="8" y2="8" stroke="#e6e6e6"/>')
    if reference is not None:
        at = f"{x(reference):.1f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="0" y2="16" stroke="{_GREY}" stroke-dasharray="2 2"/>')
    if estimate.low is not None and estimate.high is not None:
        ends = f'x1="{x(estimate.low):.1f}" x2="{x(estimate.high):.1f}"'
        parts.append(f'<line {ends} y1="8" y2="8" stroke="{colour}" stroke-width="3"/>')
    parts.append(f'<circle cx="{x(estimate.value):.1f}" cy="8" r="3.5" fill="{colour}"/></svg>')
    return Markup("".join(parts))  # noqa: S704  (numbers and our own colours only)


def distribution_bar(p_K: Sequence[float], labels: Sequence[str]) -> Markup:
    """Draw one distribution as a bar of coloured parts; its title lists the labels and their shares.

    Args:
        p_K: probabilities of the K labels.
        labels: the K labels.
    """
    colours = label_colours(labels)
    title = ", ".join(
        f"{label} {share:.0%}"
        for label, share in zip(labels, p_K, strict=True)
        if share >= _LEAST_TITLE_SHARE
    )
    parts = [f'<svg class="bar" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>']
    left = 0.0
    for label, share in zip(labels, p_K, strict=True):
        width = 100 * float(share)
        if width > _LEAST_WIDTH:
            box = f'x="{left:.2f}%" width="{width:.2f}%" height="100%"'
            parts.append(f'<rect {box} fill="{colours[label]}"/>')
        left += width
    return Markup("".join(parts) + "</svg>")  # noqa: S704  (labels are escaped above)


def probability_bar(share: float, low: float, high: float, colour: str, name: str) -> Markup:
    """Draw one probability as a bar from 0 to 1, with its interval as a line.

    Args:
        share: the probability.
        low: the lower end of its interval; nan for none.
        high: the upper end.
        colour: of the bar, as ``#RRGGBB``.
        name: what it is the probability of, for those who do not see it.
    """
    has_interval = math.isfinite(low) and math.isfinite(high)
    text = f"{name} {share:.0%}" + (f" ({low:.0%} to {high:.0%})" if has_interval else "")
    parts = [
        f'<svg class="probability" role="img" aria-label="{escape(text)}"><title>{escape(text)}</title>',
        f'<rect width="100%" height="100%" fill="{_TRACK}"/>',
        f'<rect width="{100 * share:.1f}%" height="100%" fill="{colour}"/>',
    ]
    if has_interval:
        ends = f'x1="{100 * low:.1f}%" x2="{100 * high:.1f}%" y1="50%" y2="50%"'
        parts.append(f'<line {ends} stroke="#fff" stroke-width="3.5" stroke-opacity=".75"/>')
        parts.append(f'<line {ends} stroke="{_INTERVAL}" stroke-width="1.5"/>')
    return Markup("".join(parts) + "</svg>")  # noqa: S704  (the name is escaped above)
