"""Rendering a chat template in a process of its own, as a program: ``python template_process.py`` with JSON on standard input.

A template of one line can make a text of gigabytes before any time limit ends it. Here that ends this process only, with 3. A
template that cannot be rendered ends it with 0: the renderer says what is wrong. The input has ``template`` and ``messages``.
"""

from __future__ import annotations

import json
import resource
import sys

LARGEST_BYTES = 1 << 30  # of address space; Python and jinja2 take less than a tenth
SECONDS = 5  # of the processor
TOO_LARGE = 3


def main() -> int:
    """Render the template; returns the exit code."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    given = json.load(sys.stdin)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = json.dumps
    try:
        environment.from_string(given["template"]).render(
            messages=given["messages"], add_generation_prompt=True, bos_token="", eos_token=""
        )
    except MemoryError:
        return TOO_LARGE
    except Exception:  # noqa: BLE001 - the template is a program of the model's author, and may raise anything
        return 0
    return 0


if __name__ == "__main__":
    for kind, limit in ((resource.RLIMIT_AS, LARGEST_BYTES), (resource.RLIMIT_CPU, SECONDS)):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or hard > limit:
            resource.setrlimit(kind, (limit, hard))
    sys.exit(main())
