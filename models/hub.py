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


def model_commit(name: str, revision: str | None) -> str | None:
    """The commit that a revision of a model is at the hub now.

    Args:
        name: OWNER/NAME on the hub.
        revision: a branch, tag or commit; None for the newest.

    Raises:
        UserError: the hub does not answer within seconds, or does not have it.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub_endpoint(), token=hub_token())
    try:
        return api.model_info(name, revision=revision, timeout=_TIMEOUT_SECONDS).sha
    except Exception as error:
        raise hub_error(name, error) from error


def check_available(name: str, revision: str) -> None:
    """Find out within seconds whether a model can be had; the libraries that load it retry each of its files for long.

    Args:
        name: OWNER/NAME on the hub.
        revision: the pinned revision.

    Raises:
        UserError: it is not in the cache of this machine, and the hub does not answer or does not have it.
    """
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, _CONFIG, revision=revision), str):
        return
    try:
        model_commit(name, revision)
    except UserError as error:
        raise UserError(
            f"{name}: is not in the cache of this machine, and the hub does not give it ({error}); download it where the "
            "hub can be reached, and give its folder in place of the name"
        ) from error


def hub_error(name: str, error: Exception) -> Exception:
    """One line for an error of the hub; any other error as it is.

    Args:
        name: what was asked for.
        error: what huggingface_hub raised.
    """
    from httpx2 import HTTPError, InvalidURL

    # ImportError and InvalidURL: proxies in the environment that cannot be used.
    if isinstance(error, (OSError, HTTPError, ValueError, ImportError, InvalidURL)):
        reason = " ".join(str(error).split())
        return UserError(f"{hub_endpoint()}: {name} cannot be read ({type(error).__name__}: {reason[:200]})")
    return error
