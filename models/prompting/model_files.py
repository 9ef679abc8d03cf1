"""The files of a local model folder: whether an engine can load them, checked before any engine starts.

Only headers are read: the description at the start of each *.safetensors file, which lists its tensors, and the sizes.
Downloads that were cut short, git-lfs pointers, adapters without their model, pickles and GGUF files are named in one
line that says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ambivox.models.errors import UserError
from ambivox.models.json_documents import parse_json_document, read_json_document
from ambivox.models.regular_files import check_regular, is_lfs_pointer

TEMPLATE_FOLDER = "additional_chat_templates"
_GGUF = b"GGUF"
# Pickles can run code when they are loaded, so they never are.
_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt"})
_MAX_HEADER_BYTES = 100 * 2**20
_LONGEST_NAME = 255
_ADAPTER_CONFIG = "adapter_config.json"
# What the names of some tensors of quantised weights hold, by the method that config.json names.
_QUANTISED_TENSORS = {
    "awq": (".qweight",),
    "gptq": (".qweight",),
    "bitsandbytes": (".quant_state.", ".SCB"),
    "fp8": (".weight_scale",),
}


class _Index(BaseModel):
    """model.safetensors.index.json: the file of each tensor."""

    weight_map: dict[str, str]


class _Adapter(BaseModel):
    """adapter_config.json of peft."""

    base_model_name_or_path: str | None = None
    peft_type: str | None = None


class _Tensor(BaseModel):
    """A tensor in the header of a *.safetensors file."""

    model_config = ConfigDict(extra="ignore")
    data_offsets: tuple[int, int]


_INDEX = TypeAdapter(_Index)
_ADAPTER = TypeAdapter(_Adapter)
_HEADER: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_TENSORS: TypeAdapter[dict[str, _Tensor]] = TypeAdapter(dict[str, _Tensor])


def describe_file(path: Path) -> str:
    """What a file is that was given in place of a model folder, and what to do.

    Args:
        path: An existing file that is no text.

    Returns:
        The second half of an error message.
    """
    start = _start(path)
    if start.startswith(_GGUF) or path.suffix == ".gguf":
        return "a GGUF file, which llama.cpp reads; pass the folder of the original model, with config.json and *.safetensors"
    if path.suffix == ".safetensors" or path.name == "config.json":
        return f"one file of a model; pass its folder, {path.parent}"
    if path.suffix in _PICKLES:
        return "a pickle, which is never loaded; pass a folder with config.json and *.safetensors"
    return "neither a model folder nor a text file that names an ALM; pass the folder that holds config.json"


def check_all_regular(folder: Path) -> None:
    """Check that all of a model folder is files and folders: transformers opens many of them by their names.

    Raises:
        UserError: A pipe or a device, or a link to one, is in it.
    """
    for path in sorted([*folder.iterdir(), *(folder / TEMPLATE_FOLDER).glob("*")]):
        if not path.is_dir():
            check_regular(path, "a part of a model")


def check_no_adapter(folder: Path) -> None:
    """Check that a folder is not an adapter without its model.

    Raises:
        UserError: It is one; the message names the model that it belongs to.
    """
    path = folder / _ADAPTER_CONFIG
    if not path.is_file() or (folder / "config.json").is_file():
        return
    adapter = read_json_document(path, _ADAPTER, "the configuration of an adapter")
    base = adapter.base_model_name_or_path or "a model that it does not name"
    raise UserError(
        f"{folder}: an adapter ({adapter.peft_type or 'of unknown kind'}) of {base}, not a model; merge the two (peft: "
        "PeftModel.merge_and_unload, then save_pretrained with the processor; ambivox finetune: --merged) and pass the "
        "merged folder"
    )


def check_no_pointers(folder: Path) -> None:
    """Check that a folder holds the content of its files, not only git-lfs pointers to it.

    Raises:
        UserError: A file is a pointer.
    """
    pointers = [
        path.name
        for path in _files(folder, ("*.safetensors", "*.json", "*.model", "*.txt"))
        if is_lfs_pointer(_start(path))
    ]
    if pointers:
        raise UserError(
            f"{folder}: {_listed(pointers)} {'is a pointer' if len(pointers) == 1 else 'are pointers'} of git-lfs, not "
            "the content; run `git lfs pull` in the folder"
        )


def missing_config(folder: Path) -> UserError:
    """Make the error for a folder without a config.json: what it holds instead, and what to do."""
    if (folder / "config.json").is_symlink():
        return UserError(
            f"{folder}: its config.json is a link to a file that is not there; download the folder again"
        )
    if _files(folder, ("*.gguf",)):
        return _no_weights(folder)
    return UserError(f"{folder}: not a model folder, it has no config.json; pass the folder that holds it")


def check_weights(folder: Path, quantisation: str | None) -> None:
    """Check that the weights of a model folder are complete.

    Args:
        folder: A folder with a config.json.
        quantisation: The method of quantisation that config.json names, if any.

    Raises:
        UserError: There are no ``*.safetensors``, one is missing or cut short, or the weights are not quantised in the
            way that config.json says.
    """
    shards = _files(folder, ("*.safetensors",))
    listed = _shards_in_index(folder)
    missing = [name for name in listed if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {len(listed)} files of weights are missing: {_listed(missing)}; download or "
            "copy the folder again"
        )
    if not shards:
        raise _no_weights(folder)
    names = {name for path in shards for name in tensor_names(path)}
    if names and all(".lora_" in name for name in names):
        raise UserError(
            f"{folder}: its weights are those of an adapter (LoRA); merge it into its model first"
        )
    marks = _QUANTISED_TENSORS.get(quantisation or "", ())
    if marks and not any(mark in name for name in names for mark in marks):
        raise UserError(
            f"{folder}: config.json says that the weights are quantised ({quantisation}), but they are not; remove "
            "quantization_config from config.json, or copy the quantised weights"
        )


def tensor_names(path: Path) -> list[str]:
    """The names of the tensors in a *.safetensors file.

    Raises:
        UserError: The file is damaged or cut short.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _MAX_HEADER_BYTES):
            raise UserError(
                f"{path}: no safetensors file, or cut short ({size:,} bytes); download or copy it again"
            )
        header = file.read(length)
    content = parse_json_document(header, _HEADER, "the header of a safetensors file", str(path))
    content.pop("__metadata__", None)
    try:
        tensors = _TENSORS.validate_python(content)
    except ValueError as error:
        raise UserError(
            f"{path}: the header of this safetensors file is damaged; download it again"
        ) from error
    end = 8 + length + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if size < end:
        raise UserError(f"{path}: cut short, {size:,} of {end:,} bytes; download or copy it again")
    if size > end:
        raise UserError(f"{path}: {size:,} bytes, expected {end:,}; download or copy it again")
    return list(tensors)


def _shards_in_index(folder: Path) -> list[str]:
    """The files that the index of the weights names; none where there is no index."""
    path = folder / "model.safetensors.index.json"
    if not path.is_file():
        return []
    names = sorted(
        set(read_json_document(path, _INDEX, "the index of a model's weights").weight_map.values())
    )
    outside = [
        name
        for name in names
        if Path(name).name != name or "\0" in name or len(os.fsencode(name)) > _LONGEST_NAME
    ]
    if outside:
        raise UserError(
            f"{path}: names files that cannot be in the folder, the first is {outside[0]!r}; download it again"
        )
    return names


def _no_weights(folder: Path) -> UserError:
    """Make the error for a folder without *.safetensors: what it holds instead, and what to do."""
    if _files(folder, ("*.gguf",)):
        return UserError(
            f"{folder}: holds GGUF weights, which llama.cpp reads; pass the folder of the original model with *.safetensors"
        )
    pickles = [path.name for path in _files(folder, ("*",)) if path.suffix in _PICKLES]
    if pickles:
        return UserError(
            f"{folder}: no *.safetensors weights there, only pickles ({_listed(pickles)}), which are never loaded; convert "
            "them: load the model in transformers where you trust it, and call save_pretrained"
        )
    broken = [path.name for path in folder.glob("*.safetensors") if not path.exists()]
    if broken:
        return UserError(
            f"{folder}: {_listed(broken)} is a link to a file that is not there; download the folder again"
        )
    return UserError(f"{folder}: no *.safetensors weights there; download or copy the folder again")


def _files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(files, key=lambda path: path.name)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
