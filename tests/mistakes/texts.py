"""Wrong contents: files of another kind, damaged or empty ones, where a table, a model folder or a document is expected."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from cyclopts import App

from tests.mistakes.command_lines import WrongLine, commands, options, without
from tests.mistakes.right_words import OPTIONAL, OUTPUTS, RIGHT

PROJECT_DOCUMENTS = ("params.yaml", "dvc.yaml", "dvc.lock", ".dvc/config", "software.yaml")
# All that read them; `ui` starts whatever they hold.
_PROJECT_COMMANDS = ("doctor", "run", "upgrade", "forget", "forget-corpus")
# The files of a folder that a step reads.
_MEMBERS = {
    "data/demo/alm": ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "processor_config.json", "chat_template.jinja"),
    "data/demo/finetuned/human-on": ("ambivox.json", "adapter_config.json", "adapter_model.safetensors"),
    "data/demo/distributions": ("human.parquet", "pooling.json"),
    "data/demo/predictions": ("human-on.parquet",),
    "data/demo/augmented/pooled": ("augmentation.json", "utterances.parquet"),
    "data/demo": ("ingest/utterances.parquet", "ingest/profile.json", "validation/metrics.json", "distributions/pooling.json", "annotations/checks.json"),
    "recordings": ("votes.csv", "ambivox-table.toml"),
}  # fmt: skip


def _parquet(columns: dict[str, list[Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def _half(right: bytes) -> bytes:
    return right[: len(right) // 2]


def _one_byte_other(right: bytes) -> bytes:
    middle = len(right) // 2
    return right[:middle] + bytes([right[middle] ^ 0xFF]) + right[middle + 1 :] if right else b"\xff"


CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "line end": b"\n",
    "zeros": bytes(1000),
    "noise": random.Random(0).randbytes(3000),
    "letter": b"Dear Ann,\nhow are you?\n",
    "Latin-1": "Grüße: schön\n".encode("latin-1"),
    "UTF-16": "utterance_id,label\na,anger\n".encode("utf-16"),
    "page": b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>\n",
    "JSON list": b"[]",
    "JSON object": b"{}",
    "JSON null": b"null",
    "JSON number": b"1e400",
    "JSON list of numbers": b"[1, 2, NaN]",
    "JSON of texts": b'{"utterance_id": "a", "label": ["b"], "corpora": "c", "architectures": 3}',
    "JSON cut off": b'{"a": {"b": [1, ',
    "JSON without end": b"[" * 100_000,
    "YAML list": b"- a\n- b\n",
    "YAML with tabs": b"a:\n\tb: 1\n",
    "YAML with many references": b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ncorpora: *c\n",
    "YAML with a tag": b"corpora: !!python/object/apply:os.system [id]\n",
    "YAML of other types": b"corpora:\n  demo: 3\npretrain: no\ntrial: []\nmatrix: x\nseed: y\n",
    "TOML": b'[a]\nb = 1\nc = "d"\n',
    "other columns": b"a;b;c\n1;2;3\n4;5;6\n",
    "large pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "archive": b"PK\x03\x04" + bytes(100),
    "document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "other Parquet": _parquet({"name": ["a"], "value": [1.5]}),
    "Parquet without rows": _parquet({"utterance_id": []}),
    "Parquet of lists": _parquet({"utterance_id": [["a"]], "label": [{"x": 1}]}),
}
# Made from the right content.
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half of it": _half,
    "one byte other": _one_byte_other,
    "with more": lambda right: right + b"more",
}


# Where wrong files are made, in a place.
WRONG_FILES = Path("wrong/texts")


def wrong_texts(application: App, place: Path) -> Iterator[WrongLine]:
    """A line per option and kind of content; each makes its wrong file when it is run.

    Args:
        application: The command line.
        place: A place of ``make_original``, or one like it.
    """
    project = place / "project"
    for command in commands(application):
        right = (command, *RIGHT[command])
        for option in options(application, command):
            name = option.names[0]
            value = right[right.index(name) + 1] if name in right else OPTIONAL.get((command, name), "")
            if name in OUTPUTS or not value or not (project / value).exists():
                continue
            source = project / value
            members = [one for one in _MEMBERS.get(value, ()) if (source / one).parent.is_dir()]
            for member in members if source.is_dir() else ("",):
                for kind in _kinds(source / member):
                    given = f"{name}=../{_wrong_place(value, member, kind)}"
                    make = partial(_make_wrong, value=value, member=member, kind=kind)
                    words = (*without(right, name), given)
                    yield WrongLine(words, f"{member or source.name}: {kind}", name, make)
    for document in PROJECT_DOCUMENTS:
        for kind in _kinds(project / document):
            make = partial(_spoil, document=document, kind=kind)
            for command in _PROJECT_COMMANDS:
                yield WrongLine((command, *RIGHT[command]), f"{document}: {kind}", "--project", make)


def _kinds(path: Path) -> Iterator[str]:
    yield from CONTENTS
    if path.is_file():
        yield from DAMAGES


def _wrong_place(value: str, member: str, kind: str) -> Path:
    """A name for every content, as a process may know what a file held before."""
    return WRONG_FILES / f"{member or 'file'}-{kind}".replace("/", "-").replace(" ", "-") / Path(value).name


def _make_wrong(place: Path, value: str, member: str, kind: str) -> Path:
    """Make a file with a wrong content, or a folder of links to the right files with one wrong file in it."""
    source = place / "project" / value
    wrong = place / _wrong_place(value, member, kind)
    wrong.parent.mkdir(parents=True, exist_ok=True)
    if member:
        _link_all_but(source, wrong, Path(member))
    (wrong / member).write_bytes(_content(source / member, kind))
    return WRONG_FILES


def _spoil(place: Path, document: str, kind: str) -> Path:
    """Write a wrong content into a file of the project itself: links would be no project for git and DVC."""
    name = Path("project") / document
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(_content(place / name, kind))
    return name


def _content(right: Path, kind: str) -> bytes:
    return CONTENTS[kind] if kind in CONTENTS else DAMAGES[kind](right.read_bytes())


def _link_all_but(source: Path, folder: Path, member: Path) -> None:
    folder.mkdir()
    first, *deeper = member.parts
    for entry in source.iterdir():
        if entry.name != first:
            (folder / entry.name).symlink_to(entry)
    if deeper:
        _link_all_but(source / first, folder / first, Path(*deeper))
