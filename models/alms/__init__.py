"""Audio-language models that can annotate: one file per ALM; the file name is its key.

The architecture in its config.json decides which ALM a local folder is. The hash of its content is its revision, so
that the votes of two models are never mixed, whatever the names of the folders.
"""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

from ambivox.models.errors import UserError
from ambivox.models.prompting.alm_spec import Alm, ResolvedAlm, hosted_alm
from ambivox.models.prompting.hosted_spec import Hosted
from ambivox.models.prompting.model_files import check_weights, describe_file
from ambivox.models.prompting.model_folder import find_model, read_config, revision_of
from ambivox.models.registry import find, keys

# Any other model of an OpenAI-compatible server.
HOSTED_PREFIX = "hosted:"
_MAX_NAME_BYTES = 4096
_HUB_PAGES = ("https://huggingface.co/", "http://huggingface.co/", "huggingface.co/", "hf.co/", "hub:")


def resolve(alm: str) -> ResolvedAlm:
    """Find an ALM, and the revision of its content.

    Args:
        alm: a key in models/alms/, the name of its checkpoint on the hub, a local model folder, ``hosted:MODEL`` for any
            other model of an OpenAI-compatible server, or a text file that names one of these. The pipeline stores the
            choice for a corpus in such a file, ``data/<corpus>/alm``.

    Returns:
        The ALM with its revision.

    Raises:
        UserError: see ``locate``.
    """
    key, source = locate(alm)
    spec = _hosted_spec(source) if key.startswith(HOSTED_PREFIX) else alms()[key]
    if spec.hosted is not None:
        return ResolvedAlm(key, key, spec.hosted.model, source, spec)
    local = Path(source)
    revision = revision_of(local) if local.is_dir() else spec.revision
    assert revision is not None, "locate returns published ALMs and folders only"
    return ResolvedAlm(key, key, revision, source, spec)


def locate(alm: str) -> tuple[str, str]:
    """Find an ALM without reading its weights.

    Args:
        alm: see ``resolve``.

    Returns:
        Its key in models/alms/ or ``hosted:MODEL``, and the model folder, the name of the checkpoint on the hub, or the
        provider's name of the model.

    Raises:
        UserError: ``alm`` is none of what ``resolve`` accepts, or the folder cannot be loaded: it is an adapter, its
            config.json or weights are damaged or missing, or no file in models/alms/ names its architecture.
    """
    try:
        if not alm.startswith(HOSTED_PREFIX) and Path(alm).is_file():
            alm = _name_in_file(Path(alm))
        if alm.startswith(HOSTED_PREFIX):
            return alm, _hosted_name(alm)
        is_folder = bool(alm.strip()) and Path(alm).is_dir()
    except OSError as error:  # such as a name that is too long for the file system
        raise UserError(f"--alm {alm[:80]!r}: cannot be read ({error.strerror or error})") from error
    if not is_folder:
        return _published(alm)
    folder = find_model(Path(alm))
    config = read_config(folder)
    for key, spec in alms().items():
        if spec.matches(config):
            check_weights(folder, config.quantisation)
            return key, str(folder)
    known = sorted({architecture for spec in alms().values() for architecture in spec.architectures})
    problem = (
        f"no file in models/alms/ has the architecture {', '.join(config.architectures)}"
        if config.architectures
        else "names no architecture (the field architectures)"
    )
    raise UserError(f"{folder / 'config.json'}: {problem}; known: {', '.join(known)}")


def hosted_of(alm: str) -> Hosted | None:
    """How an ALM is reached, where it is a hosted one; else None. No weights are read.

    Args:
        alm: see ``resolve``.

    Raises:
        UserError: see ``locate``.
    """
    key, source = locate(alm)
    return (_hosted_spec(source) if key.startswith(HOSTED_PREFIX) else alms()[key]).hosted


def _hosted_name(alm: str) -> str:
    """The server's name of the model in ``hosted:MODEL``."""
    model = alm.removeprefix(HOSTED_PREFIX)
    if not re.fullmatch(r"[\w.:/@-]{1,200}", model):
        raise UserError(
            f"--alm {alm[:80]!r} names no hosted model; expected hosted:MODEL with the server's name of the model, made of "
            "letters, digits and . : / @ - _"
        )
    return model


def _hosted_spec(model: str) -> Alm:
    """The specification of a model of which nothing is known but its name."""
    hosted = Hosted(
        provider="an OpenAI-compatible server",
        base_url="",
        model=model,
        key_variable="AMBIVOX_SERVER_KEY",
        needs_key=False,
        parameters=("temperature", "seed", "max_tokens", "logprobs", "top_logprobs", "response_format"),
        top_logprobs=20,
    )
    return hosted_alm(hosted, tested="not known")


def alms() -> dict[str, Alm]:
    """All ALMs in models/alms/, by key."""
    package = sys.modules[__name__]
    return {key: find(package, key, "ALM").ALM for key in keys(package)}


def _published(name: str) -> tuple[str, str]:
    """The key and checkpoint of the ALM with this key, or with this name on the hub."""
    specs = alms()
    key = name if name in specs else _key_of_checkpoint(name, specs)
    if key is None:
        raise _unknown_alm(name, specs)
    spec = specs[key]
    if spec.hosted is not None:
        return key, spec.hosted.model
    if spec.checkpoint is None or spec.revision is None:
        raise UserError(f"the ALM {key!r} has no published weights; train it and pass its folder as --alm")
    return key, spec.checkpoint


def _key_of_checkpoint(name: str, specs: dict[str, Alm]) -> str | None:
    checkpoint = name.strip().rstrip("/")
    for prefix in _HUB_PAGES:
        checkpoint = checkpoint.removeprefix(prefix)
    by_checkpoint = {spec.checkpoint.lower(): key for key, spec in specs.items() if spec.checkpoint}
    return by_checkpoint.get(checkpoint.lower())


def _unknown_alm(name: str, specs: dict[str, Alm]) -> UserError:
    """Make the error for a name that is neither a folder nor a known ALM, with the closest known name."""
    by_spelling = {key.replace("_", ""): key for key in specs}
    by_spelling |= {
        _spelling(spec.checkpoint.rpartition("/")[2]): key for key, spec in specs.items() if spec.checkpoint
    }
    close = difflib.get_close_matches(_spelling(name.rstrip("/").rpartition("/")[2]), by_spelling, 1, 0.75)
    hint = f"did you mean --alm {by_spelling[close[0]]}? " if close else ""
    return UserError(
        f"unknown ALM {name!r}, and no folder of that name; {hint}known: {', '.join(sorted(specs))}; for another "
        "checkpoint of a known architecture, download it and pass its folder"
    )


def _spelling(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _name_in_file(path: Path) -> str:
    """The name that a text file holds; a file of weights is named as such."""
    with path.open("rb") as file:
        content = file.read(_MAX_NAME_BYTES + 1)
    try:
        name = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        name = ""
    if not name or not name.isprintable() or len(content) > _MAX_NAME_BYTES or path.name == "config.json":
        raise UserError(f"{path}: {describe_file(path)}")
    return name
