"""The key of a provider, which is needed only where something is sent: a run whose answers are all stored sends nothing."""

from __future__ import annotations

from ambivox.models.errors import UserError
from ambivox.models.prompting.hosted_spec import Hosted


def check_key(hosted: Hosted, key: str) -> None:
    """Check before something is sent that there is a key where the provider needs one.

    Args:
        hosted: the provider.
        key: the API key, or "".

    Raises:
        UserError: the key is needed, and there is none.
    """
    if hosted.needs_key and not key:
        raise UserError(
            f"{hosted.model} needs an API key of {hosted.provider} in the environment variable {hosted.key_variable}, which "
            "is not set; what is stored is kept, and the same command resumes"
        )
