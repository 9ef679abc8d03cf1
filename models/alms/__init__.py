"""Audio-language models that can vote: one file per ALM; the file name is its key.

A local folder counts as the ALM whose architecture its config.json names, and its revision is the hash of what
it holds, so that votes of two models are never mixed up, whatever their folders are called.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ambivox.models.errors import UserError, unknown
from ambivox.models.prompting.alm_spec import Alm, ResolvedAlm
from ambivox.models.prompting.model_folder import read_config, revision_of
from ambivox.models.registry import find, keys


def resolve(alm: str) -> ResolvedAlm:
    """An ALM by its key in models/alms/, by a local folder, or by a text file that names one of the two.

    The text file is how the pipeline notes which ALM annotates a corpus (``data/<corpus>/alm``).

    Raises:
        UserError: neither a key nor a folder, a folder without a readable config.json, or of an architecture
            that no file in models/alms/ knows.
    """
    if Path(alm).is_file():
        alm = Path(alm).read_text(encoding="utf-8").strip()
    if not Path(alm).is_dir():
        found = alms().get(alm)
        if found is None:
            raise unknown("ALM (a key or a local folder)", alm, alms())
        if found.checkpoint is None or found.revision is None:
            raise UserError(
                f"the ALM {alm!r} has no published weights; train it and give its folder as --alm"
            )
        return ResolvedAlm(alm, alm, found.revision, found.checkpoint, found)
    folder = Path(alm)
    config = read_config(folder)
    # The more particular description first.
    for key, candidate in sorted(alms().items(), key=lambda item: item[1].widest is None):
        if candidate.describes(config):
            return ResolvedAlm(key, key, revision_of(folder), str(folder), candidate)
    architectures = config.get("architectures") or ["none"]
    raise UserError(
        f"{folder / 'config.json'}: no ALM here has the architecture {', '.join(map(str, architectures))}; "
        f"known: {', '.join(sorted({a for candidate in alms().values() for a in candidate.architectures}))}"
    )


def alms() -> dict[str, Alm]:
    """Every ALM in models/alms/, by key."""
    package = sys.modules[__name__]
    return {key: find(package, key, "ALM").ALM for key in keys(package)}
