"""Small inline drawings in the page: an interval beside a value, and a distribution as one bar. SVG without scripts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from ambivox.models.reporting.estimates import Estimate
from ambivox.models.reporting.source_names import PALETTE, source_colour

_GREY = "#888888"
_LEAST_TITLE_SHARE = 0.005
_LEAST_WIDTH = 0.05


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return the colour of each label; after the end of the palette, the colours repeat in a lighter shade."""
    return {
        label: PALETTE[k % len(PALETTE)] + ("" if k < len(PALETTE) else "99")
        for k, label in enumerate(labels)
    }


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
    parts = [
        f'<svg class="bar" viewBox="0 0 200 14" preserveAspectRatio="none" role="img"><title>{escape(title)}</title>'
    ]
    left = 0.0
    for label, share in zip(labels, p_K, strict=True):
        width = 200 * float(share)
        if width > _LEAST_WIDTH:
            box = f'x="{left:.2f}" y="0" width="{width:.2f}" height="14"'
            parts.append(f'<rect {box} fill="{colours[label]}"/>')
        left += width
    return Markup("".join(parts) + "</svg>")  # noqa: S704  (labels are escaped above)
