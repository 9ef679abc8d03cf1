"""What no chat template or tokenizer needs, and no time limit ends: powers of numbers, and texts of gigabytes."""

from __future__ import annotations

import json
import string
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateSyntaxError

from ambivox.models.prompting import template_process, tokenizer_process

# A question about a recording, as it is asked (prompts.py).
QUESTION: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [{"type": "audio", "audio": ""}, {"type": "text", "text": "Which emotion? A B"}],
    }
]
_USUAL = f"Which emotion? {string.printable} \u00e9\u2019\u4e2d"
_SECONDS = 60.0  # on a machine that others use; the process itself ends after some of computing


def has_powers(*holders: Any) -> bool:
    """Whether a chat template raises a number to a power.

    ``9 ** 9 ** 9`` is one computation inside Python's interpreter, which lets nothing else run until it ends.

    Args:
        holders: A processor, a tokenizer: what may have a template, or several by name.

    Returns:
        Whether any of their templates has the operator. One that is no template is for the renderer to refuse.
    """
    return any(_has_power(text) for holder in holders for text in _templates(holder))


def is_endless(*holders: Any) -> bool:
    """Whether a chat template takes more memory or time for a question than any template does.

    It is rendered in a process of its own, once for each template. One that shows this for some texts only is not found.

    Args:
        holders: See ``has_powers``.
    """
    return any(_is_endless(text) for holder in holders for text in _templates(holder))


def tokenizer_is_endless(path: Path, text: str = "") -> bool:
    """Whether a tokenizer takes more memory or time for a prompt than any does; see ``is_endless``.

    Args:
        path: A tokenizer.json; one that is absent is not endless.
        text: The prompt. Some usual characters are encoded with it.
    """
    try:
        status = path.stat()
    except OSError:
        return False
    return _tokenizer_is_endless(str(path.resolve()), text, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _tokenizer_is_endless(path: str, text: str, size: int, modified_ns: int) -> bool:  # noqa: ARG001 - a changed file is tried again
    return _ends_badly(tokenizer_process.__file__, {"tokenizer": path, "text": f"{_USUAL}\n{text}"})


@lru_cache(maxsize=8)
def _is_endless(template: str) -> bool:
    return _ends_badly(template_process.__file__, {"template": template, "messages": QUESTION})


def _ends_badly(program: str, given: dict[str, Any]) -> bool:
    try:
        process = subprocess.run(
            [sys.executable, "-I", program],
            input=json.dumps(given).encode("utf-8", "replace"),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return process.returncode == template_process.TOO_LARGE or process.returncode < 0  # by a signal


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
