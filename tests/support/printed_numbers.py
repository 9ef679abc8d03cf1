"""Comparing what documents show as printed with what is printed now."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def rounded(text: str) -> str:
    """The text with decimal numbers at one significant digit, and blanks as one: other builds of numpy round differently."""
    return re.sub(r"\s+", " ", _NUMBER.sub(lambda match: f"{float(match[0]):.1g}", text)).strip()
