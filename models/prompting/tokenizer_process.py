"""Loading a tokenizer and encoding a text in a process of its own: ``python tokenizer_process.py`` with JSON on standard input.

Rules of a tokenizer can make a text of gigabytes, or search it for hours, inside one call that nothing interrupts. Here that
ends this process only, by a signal. A tokenizer that cannot be loaded ends it with 0: the loader says what is wrong. The input
has ``tokenizer``, the path of a tokenizer.json, and ``text``.
"""

from __future__ import annotations

import json
import os
import resource
import sys

LARGEST_BYTES = 2 << 30  # of address space; the largest vocabularies take less than a third
SECONDS = 12  # of the processor; they take three
TOO_LARGE = 3


def main() -> int:
    """Load and encode; returns the exit code."""
    given = json.load(sys.stdin)
    os.environ["RAYON_NUM_THREADS"] = "1"  # each thread takes address space
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        from tokenizers import Tokenizer

        Tokenizer.from_file(given["tokenizer"]).encode(given["text"])
    except MemoryError:
        return TOO_LARGE
    except Exception:  # noqa: BLE001 - tokenizers raises Exception itself
        return 0
    return 0


if __name__ == "__main__":
    for kind, limit in ((resource.RLIMIT_AS, LARGEST_BYTES), (resource.RLIMIT_CPU, SECONDS)):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or hard > limit:
            resource.setrlimit(kind, (limit, hard))
    # A process that is out of memory is ended by a signal, and leaves no copy of its memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
