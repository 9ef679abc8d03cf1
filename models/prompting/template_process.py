"""Rendering a chat template in a process of its own, as a program: ``python template_process.py`` with JSON on standard input.

A template of one line can make a text of gigabytes before any time limit ends it. Here that ends this process only, with 3, as
a text of more than LONGEST_TEXT does. A template that cannot be rendered ends it with 0: the renderer says what is wrong. The input has ``template`` and ``messages``.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import datetime

LARGEST_BYTES = 1 << 30  # of address space; Python and jinja2 take less than a tenth
SECONDS = 5  # of the processor
LONGEST_TEXT = 1_000_000  # characters for one question; tokenising more takes minutes
TOO_LARGE = 3


def main() -> int:
    """Render the template; returns the exit code."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The tag ``generation`` of transformers, which marks what the model says."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise ValueError(message)

    given = json.load(sys.stdin)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )
    # As transformers has them.
    environment.filters["tojson"] = json.dumps
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda text: datetime.now().strftime(text)
    try:
        text = environment.from_string(given["template"]).render(
            messages=given["messages"], add_generation_prompt=True, bos_token="", eos_token=""
        )
    except MemoryError:
        return TOO_LARGE
    except Exception:  # noqa: BLE001 - the template is a program of the model's author, and may raise anything
        return 0
    return TOO_LARGE if len(text) > LONGEST_TEXT else 0


if __name__ == "__main__":
    for kind, limit in ((resource.RLIMIT_AS, LARGEST_BYTES), (resource.RLIMIT_CPU, SECONDS)):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or hard > limit:
            resource.setrlimit(kind, (limit, hard))
    sys.exit(main())
