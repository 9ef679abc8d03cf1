"""Load an ALM's weights by transformers: all of them, or one line that says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ambivox.models.errors import MissingExtraError, UserError, memory_is_full
from ambivox.models.file_errors import error_text
from ambivox.models.prompting.alm_spec import ResolvedAlm

if TYPE_CHECKING:
    import torch

_LONGEST_REASON = 300


def load_weights(resolved: ResolvedAlm, dtype: torch.dtype, **arguments: Any) -> Any:
    """Load the model of an ALM, on the CPU unless the arguments say otherwise.

    Args:
        resolved: the ALM.
        dtype: the type of its weights.
        arguments: further ones of ``from_pretrained``.

    Returns:
        An instance of the class of transformers that the ALM names.

    Raises:
        UserError: the weights cannot be loaded, or some are missing: transformers would fill them with random numbers.
        MissingExtraError: transformers is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "train") from error
    if resolved.is_local:
        # Loading takes seconds; only a download needs a progress bar.
        transformers.utils.logging.disable_progress_bar()
    model_class = getattr(transformers, resolved.alm.transformers_class)
    try:
        model, loaded = model_class.from_pretrained(
            resolved.source,
            dtype=dtype,
            revision=None if resolved.is_local else resolved.revision,
            local_files_only=resolved.is_local,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **arguments,
        )
    except Exception as error:
        # A folder decides which code of transformers runs, and that raises exceptions of many types: ImportError for
        # a quantisation whose library is missing, AssertionError and KeyError for values that contradict each other.
        if memory_is_full(error):
            raise
        reason = error_text(error)[:_LONGEST_REASON]
        raise UserError(
            f"{resolved.source}: transformers cannot load its weights ({type(error).__name__}: {reason})"
        ) from error
    if missing := sorted(loaded["missing_keys"]):
        raise UserError(
            f"{resolved.source}: {len(missing)} of its tensors are missing from the weights, such as {missing[0]}; "
            "download or copy the folder again"
        )
    return model
