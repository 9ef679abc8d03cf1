"""Rendering messages with a model's chat template, which is a program of somebody else: its time and its text are limited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.errors import UserError, first_line
from ambivox.models.prompting.template_process import LONGEST_TEXT
from ambivox.models.time_limit import TimeLimitError, within

# Rendering takes about a millisecond.
_RENDER_SECONDS = 4.0


def apply_template(processor: Any, messages: list[dict[str, Any]], arguments: Mapping[str, Any]) -> str:
    """Render messages as text, up to the start of the model's response.

    Args:
        processor: What has the template.
        messages: The messages, as transformers has them.
        arguments: Keyword arguments of the template.

    Raises:
        UserError: The template cannot be used, does not end, or makes a text of millions of characters.
    """
    try:
        text: str = within(
            _RENDER_SECONDS,
            lambda: processor.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **arguments
            ),
        )
    except TimeLimitError as error:
        raise template_error(f"does not end ({error})") from error
    except Exception as error:
        # The template is a program of the checkpoint's author, and may raise anything.
        reason = first_line(error)
        raise template_error(f"cannot be used ({reason:.200})") from error
    if len(text) > LONGEST_TEXT:
        raise template_error(
            f"makes {len(text):,} characters of one question, expected at most {LONGEST_TEXT:,}"
        )
    return text


def template_error(fault: str) -> UserError:
    """The error for a template.

    Args:
        fault: What it does.
    """
    return UserError(f"the ALM's chat template {fault}; use the template of the published model")
