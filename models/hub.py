"""Which model hub is used, and with which token: HF_ENDPOINT and HF_TOKEN, as everywhere in the Hugging Face libraries."""

from __future__ import annotations

import os

_DEFAULT_ENDPOINT = "https://huggingface.co"


def hub_endpoint() -> str:
    """The address of the hub."""
    return os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")


def hub_token() -> str | bool:
    """HF_TOKEN; False keeps huggingface_hub from sending a token that is stored on this machine."""
    return os.environ.get("HF_TOKEN") or False
