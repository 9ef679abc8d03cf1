"""Fonts of figures: labels in any script, with the fonts of this machine or, in an SVG, of whoever looks at it."""

from __future__ import annotations

import logging
import unicodedata
from functools import cache
from typing import Any

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

MAIN = "DejaVu Sans"
# Fonts with other scripts, by the systems that bring them; those that are installed are tried in this order.
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "IPAexGothic",
    "NanumGothic",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "SimHei",
    "Arial Unicode MS",
)
# Scripts whose letters change their shape or place beside others, which matplotlib does not do.
_SHAPED = (
    "DEVANAGARI",
    "BENGALI",
    "GUR",
    "GUJARATI",
    "ORIYA",
    "TAMIL",
    "TELUGU",
    "KANNADA",
    "MALAYALAM",
    "SINHALA",
    "THAI",
    "LAO",
    "TIBETAN",
    "MYANMAR",
    "KHMER",
    "MONGOLIAN",
)
_logger = logging.getLogger(__name__)
_noticed: set[str] = set()


@cache
def families() -> tuple[str, ...]:
    """List the fonts that figures are drawn with, the main one first.

    Returns:
        Names of installed fonts; matplotlib takes each character from the first that has it.
    """
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (MAIN, *(name for name in _FALLBACKS if name in installed))


def svg_settings(figure: Figure) -> Any:
    """Decide how an SVG holds its text: as outlines, which look the same everywhere, or as text.

    Text is left to the viewer's fonts where this machine has none for a character, which is noted once, and where
    letters run from right to left or are joined, which matplotlib does not do.

    Args:
        figure: A drawn figure.

    Returns:
        Settings of matplotlib for saving it (a mapping, for rc_context).
    """
    characters = {
        character
        for text in figure.findobj(Text)
        if isinstance(text, Text)
        for character in text.get_text()
        if not character.isspace()
    }
    missing = {character for character in characters if not _has_glyph(character)}
    _notice(missing)
    if missing or any(map(_is_shaped, characters)):
        return {"svg.fonttype": "none"}
    return {}


def _notice(missing: set[str]) -> None:
    """Say once per process that characters have no font here."""
    if missing and not _noticed:
        shown = "".join(sorted(missing)[:8])
        _logger.warning(
            f"no font of this machine has characters such as {shown}: figures hold them as text, which a browser shows in "
            "its own fonts; the package fonts-noto-cjk has Chinese, Japanese and Korean"
        )
    _noticed.update(missing)


@cache
def _has_glyph(character: str) -> bool:
    return any(
        font_manager.get_font(font_manager.findfont(name)).get_char_index(ord(character))
        for name in families()
    )


def _is_shaped(character: str) -> bool:
    if ord(character) < 0x590:
        return False
    return unicodedata.bidirectional(character) in ("R", "AL") or unicodedata.name(character, "").startswith(
        _SHAPED
    )
