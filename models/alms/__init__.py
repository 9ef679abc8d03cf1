"""Audio-language models that can annotate: one file per ALM; the file name is its key.

The architecture in its config.json decides which ALM a local folder is. The hash of its content is its revision, so
that the votes of two models are never mixed, whatever the names of the folders.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ambivox.models.errors import UserError, unknown
from ambivox.models.files import exists
from ambivox.models.prompting.alm_spec import Alm, ResolvedAlm, hosted_alm
from ambivox.models.prompting.hosted_spec import Hosted
from ambivox.models.prompting.model_folder import read_config, revision_of
from ambivox.models.registry import find, keys

HOSTED_PREFIX = "hosted:"


def resolve(alm: str) -> ResolvedAlm:
    """Find an ALM.

    Args:
        alm: a key in models/alms/, a local model folder, ``hosted:MODEL`` for any other model of an OpenAI-compatible
            server, or a text file that names one of these. The pipeline stores the choice for a corpus in such a
            file, ``data/<corpus>/alm``.

    Returns:
        The ALM with its revision.

    Raises:
        UserError: ``alm`` is neither a key nor a folder, or the folder has no readable config.json, no weights, or
            an architecture that no file in models/alms/ names.
    """
    if exists(alm) and Path(alm).is_file():
        alm = Path(alm).read_text(encoding="utf-8").strip()
    if alm.startswith(HOSTED_PREFIX):
        return _hosted(alm)
    if not exists(alm) or not Path(alm).is_dir():
        spec = alms().get(alm)
        if spec is None:
            raise unknown("ALM (a key or a local folder)", alm, alms())
        if spec.hosted is not None:
            return ResolvedAlm(alm, alm, spec.hosted.model, spec.hosted.base_url, spec)
        if spec.checkpoint is None or spec.revision is None:
            raise UserError(
                f"the ALM {alm!r} has no published weights; train it and pass its folder as --alm"
            )
        return ResolvedAlm(alm, alm, spec.revision, spec.checkpoint, spec)
    folder = Path(alm)
    config = read_config(folder)
    # Specifications with a width limit come first, because they are more specific.
    for key, spec in sorted(alms().items(), key=lambda item: item[1].max_text_width is None):
        if spec.matches(config):
            return ResolvedAlm(key, key, revision_of(folder), str(folder), spec)
    architectures = config.get("architectures") or ["none"]
    known = sorted({architecture for spec in alms().values() for architecture in spec.architectures})
    raise UserError(
        f"{folder / 'config.json'}: no file in models/alms/ has the architecture "
        f"{', '.join(map(str, architectures))}; known: {', '.join(known)}"
    )


def _hosted(alm: str) -> ResolvedAlm:
    """A model of a server that has no file in models/alms/."""
    model = alm.removeprefix(HOSTED_PREFIX)
    if not re.fullmatch(r"[\w.:/@-]{1,200}", model):
        raise UserError(
            f"{alm!r} names no hosted model; expected hosted:MODEL with the server's name of the model, made of "
            "letters, digits and . : / @ - _"
        )
    hosted = Hosted(
        provider="an OpenAI-compatible server",
        base_url="",
        model=model,
        key_variable="AMBIVOX_SERVER_KEY",
        parameters=("temperature", "seed", "max_tokens", "logprobs", "top_logprobs", "response_format"),
        top_logprobs=20,
    )
    return ResolvedAlm(alm, alm, model, model, hosted_alm(hosted, tested="not known"))


def alms() -> dict[str, Alm]:
    """All ALMs in models/alms/, by key."""
    package = sys.modules[__name__]
    return {key: find(package, key, "ALM").ALM for key in keys(package)}
