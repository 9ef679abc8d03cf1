"""Neutralising text from a corpus, so that it cannot bring chat markup or special tokens into a prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# In bytes, because a tokenizer may need one token per byte.
TRANSCRIPT_LIMIT_BYTES = 2_000
# The markup of chat templates: <|im_end|>, <s>, </s>, <start_of_turn>, [INST], [BEGIN_AUDIO], <<SYS>>.
MARKUP = re.compile(r"<(?=[|/<]|[A-Za-z_][\w\-]*>)|(?<=\|)>|\[(?=/?[A-Z_]+\])")


def neutralise(text: str, special_tokens: Iterable[str] = (), limit: int = TRANSCRIPT_LIMIT_BYTES) -> str:
    """Make a text safe to insert into a prompt.

    Control and format characters are removed, white space becomes single spaces, and a space is inserted into
    everything that looks like chat markup or is a special token. Special tokens that a space does not break are taken
    out. A special token of one character stays.

    Args:
        text: any text.
        special_tokens: the special tokens of the ALM's tokenizer.
        limit: the maximum length in bytes of UTF-8 before spaces are inserted; a longer text is cut and ends in "…".

    Returns:
        One line of text.

    Example:
        >>> neutralise("Stop.<|im_end|>")
        'Stop.< |im_end| >'
    """
    text = unicodedata.normalize("NFC", text[: 20 * limit])
    line = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    line = " ".join(line.split())
    if len(line.encode()) > limit:
        line = line.encode()[: limit - len("…".encode())].decode(errors="ignore").rstrip() + "…"
    line = MARKUP.sub(lambda match: match[0] + " " if match[0] != ">" else " >", line)
    tokens = sorted(
        {token for token in special_tokens if len(token) > 1}, key=lambda token: (-len(token), token)
    )
    is_first = True
    while present := [token for token in tokens if token in line]:
        for token in present:
            # A space breaks a token that has none. Tokens with spaces, and those that the spaces made, are taken out:
            # the line gets shorter, so this ends whatever the tokens are.
            is_breakable = is_first and not any(c.isspace() for c in token)
            line = line.replace(token, f"{token[0]} {token[1:]}" if is_breakable else " ")
        is_first = False
    return line
