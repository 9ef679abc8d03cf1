"""Which model hub is used, and with which token: HF_ENDPOINT and HF_TOKEN, as everywhere in the Hugging Face libraries."""

from __future__ import annotations

import os

from ambivox.models.errors import UserError

_DEFAULT_ENDPOINT = "https://huggingface.co"
_CONFIG = "config.json"
_TIMEOUT_SECONDS = 10.0


def hub_endpoint() -> str:
    """The address of the hub."""
    return os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")


def hub_token() -> str | bool:
    """HF_TOKEN; False keeps huggingface_hub from sending a token that is stored on this machine."""
    return os.environ.get("HF_TOKEN") or False


def check_available(name: str, revision: str) -> None:
    """Find out within seconds whether a model can be had; the libraries that load it retry each of its files for long.

    Args:
        name: OWNER/NAME on the hub.
        revision: the pinned revision.

    Raises:
        UserError: it is not in the cache of this machine, and the hub does not answer or does not have it.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, _CONFIG, revision=revision), str):
        return
    try:
        HfApi(endpoint=hub_endpoint(), token=hub_token()).model_info(
            name, revision=revision, timeout=_TIMEOUT_SECONDS
        )
    except Exception as error:  # of huggingface_hub and of its HTTP client
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{name}: is not in the cache of this machine, and {hub_endpoint()} does not give it ({reason}); download it "
            "where the hub can be reached, and give its folder in place of the name"
        ) from error
