"""Small drawings inside the page: intervals beside a figure, a distribution as one bar. Inline SVG, no script."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from ambivox.models.reporting.estimates import Estimate
from ambivox.models.reporting.figures.style import COLOURS, PALETTE

_GREY = "#888888"


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label, the same all over the page; the palette repeats, lighter, past its end."""
    return {
        label: PALETTE[k % len(PALETTE)] + ("" if k < len(PALETTE) else "99")
        for k, label in enumerate(labels)
    }


def interval(
    found: Estimate | None, low: float, high: float, name: str, reference: float | None = None
) -> Markup:
    """A dot with its whiskers on the scale ``low``..``high`` and a thin line at ``reference``."""
    if found is None or high <= low:
        return Markup("")
    colour = COLOURS.get(name, _GREY)

    def x(value: float) -> float:
        return 4 + 152 * (min(max(value, low), high) - low) / (high - low)

    parts = ['<svg class="interval" viewBox="0 0 160 16" width="160" height="16" aria-hidden="true">']
    parts.append('<line x1="4" x2="156" y1="8" y2="8" stroke="#e6e6e6"/>')
    if reference is not None:
        at = x(reference)
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="16" stroke="{_GREY}" stroke-dasharray="2 2"/>'
        )
    if found.low is not None and found.high is not None:
        parts.append(
            f'<line x1="{x(found.low):.1f}" x2="{x(found.high):.1f}" y1="8" y2="8" stroke="{colour}" stroke-width="3"/>'
        )
    parts.append(f'<circle cx="{x(found.value):.1f}" cy="8" r="3.5" fill="{colour}"/></svg>')
    return Markup("".join(parts))  # noqa: S704  (numbers and our own colours only)


def bar(shares: Sequence[float], labels: Sequence[str]) -> Markup:
    """One distribution as a bar of coloured parts; each part's title says its label and share."""
    colours = label_colours(labels)
    parts = ['<svg class="bar" viewBox="0 0 200 14" preserveAspectRatio="none" role="img">']
    told = ", ".join(
        f"{label} {share:.0%}" for label, share in zip(labels, shares, strict=True) if share >= 0.005
    )
    parts.append(f"<title>{escape(told)}</title>")
    left = 0.0
    for label, share in zip(labels, shares, strict=True):
        width = 200 * float(share)
        if width > 0.05:
            parts.append(
                f'<rect x="{left:.2f}" y="0" width="{width:.2f}" height="14" fill="{colours[label]}"/>'
            )
        left += width
    return Markup("".join(parts) + "</svg>")  # noqa: S704  (labels are escaped above)
