"""Whether a model's weights have a row for every token of a prompt: a tokenizer may have tokens that they lack.

Engines do not check it. On a CPU vLLM reads what lies behind the weights, and answers; a GPU's error is not Python's.
"""

from __future__ import annotations

from collections.abc import Iterable

from ambivox.models.errors import UserError


def check_known_tokens(ids: Iterable[int], rows: int, audio_token: int | None = None) -> None:
    """Check that no token is beyond the rows of the language model's input embeddings.

    Args:
        ids: The tokens of a prompt.
        rows: The number of rows.
        audio_token: The token that audio takes the place of, which needs no row.

    Raises:
        UserError: A token is.

    Example:
        >>> check_known_tokens([1, 2, 9], rows=3, audio_token=9)
    """
    beyond = max((token for token in ids if token != audio_token), default=0)
    if beyond >= rows:
        raise UserError(
            f"the model has no weights for a token of its own tokenizer (token {beyond}, the weights have {rows} rows); "
            "expected a tokenizer and weights that belong together: take all files from one revision of the model"
        )
