"""What no chat template needs, and no time limit ends: powers of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, TemplateSyntaxError


def has_powers(*holders: Any) -> bool:
    """Whether a chat template raises a number to a power.

    ``9 ** 9 ** 9`` is one computation inside Python's interpreter, which lets nothing else run until it ends.

    Args:
        holders: A processor, a tokenizer: what may have a template, or several by name.

    Returns:
        Whether any of their templates has the operator. One that is no template is for the renderer to refuse.
    """
    return any(_has_power(text) for holder in holders for text in _templates(holder))


def _templates(holder: Any) -> Iterator[str]:
    template = getattr(holder, "chat_template", None)
    texts = template.values() if isinstance(template, Mapping) else [template]
    yield from (text for text in texts if isinstance(text, str))


def _has_power(text: str) -> bool:
    # Tokens alone: tags that transformers adds, such as generation, would have to be known for more.
    try:
        return any(kind == "operator" and value == "**" for _, kind, value in Environment().lex(text))  # noqa: S701 - nothing is rendered
    except TemplateSyntaxError:
        return False
