"""The parsers of what labelling tools, manifests of corpora, batches of hosted ALMs and earlier versions of Ambivox write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ambivox.models.engines._bounded_http import InvalidResponseError
from tests.fuzzing import seeds
from tests.fuzzing.campaign import Parser

_POTATO_STATE = {
    "user_id": "r1",
    "instance_id_to_label_to_value": {
        "u1": [[{"schema": "emotion", "name": "anger"}, "anger"]],
        "u2": [[{"schema": "emotion", "name": "joy"}, True], [{"schema": "other", "name": "x"}, False]],
    },
}
_POTATO_LINES = (
    {
        "instance_id": "u1",
        "user_id": "r1",
        "labels": {"emotion": {"anger": "anger"}},
        "spans": {},
        "links": {},
    },
    {"instance_id": "u2", "user_id": "r2", "labels": {"emotion": {"joy": True, "anger": False}}},
    {
        "instance_id": "u2",
        "user_id": "m",
        "annotator_origin": {"kind": "llm"},
        "labels": {"emotion": {"joy": 1}},
    },
)
_POTATO_1 = {
    "id": "u1",
    "displayed_text": "",
    "label_annotations": {"emotion": {"anger": "true", "joy": "0"}},
}
_POTATO_CONFIG = b"annotation_schemes:\n- name: emotion\n  sequential_key_binding: true\n  labels: [anger, {name: joy, key_value: 0}, 3]\n"
_ARGILLA = [
    {
        "id": name,
        "metadata": {"utterance_id": name, "speaker": "s1"},
        "responses": {"emotion": [{"value": ["anger"], "user_id": "r1"}, {"value": "joy", "user_id": "r2"}]},
    }
    for name in ("u1", "u2")
]
_RECORDING = {
    "id": "r1",
    "sources": [{"type": "file", "channels": [0, 1], "source": "r1.wav"}],
    "sampling_rate": 16000,
    "num_samples": 32000,
    "duration": 2.0,
}
_TRANSFORMED = {
    **_RECORDING,
    "transforms": [
        {"name": "Resample", "kwargs": {"target_sampling_rate": 8000}},
        {"name": "Speed", "kwargs": {"factor": 0.9}},
    ],
}
_SUPERVISION = {
    "id": "u1", "recording_id": "r1", "start": 0.5, "duration": 1.0, "channel": 1, "text": "Hi", "speaker": "s1",
    "gender": "female", "custom": {"votes": [{"annotator_id": "r1", "label": "anger", "weight": 1}, "joy"]},
}  # fmt: skip
_BATCH_ROW = {"custom_id": "a-1", "response": {"status_code": 200, "body": seeds.COMPLETION}}
_GEMINI_ROW = {
    "key": "a-1",
    "response": {
        "candidates": [{"content": {"parts": [{"text": "B"}]}, "finishReason": "STOP"}],
        "modelVersion": "gemini-2.5-flash",
        "usageMetadata": {"promptTokenCount": 90, "candidatesTokenCount": 1, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}]},
    },
}  # fmt: skip
_BATCH = {
    "id": "batch_1", "status": "failed", "output_file_id": "f", "metadata": {"ambivox_job": "a"},
    "errors": {"data": [{"message": "no"}]},
}  # fmt: skip
_MODELS = {
    "data": [
        {
            "id": "a/b", "created": 1, "expiration_date": "2027-01-01", "architecture": {"input_modalities": ["text", "audio"]},
            "pricing": {"prompt": "0.000001", "completion": "0.000002", "audio": "0.000003"},
        },
        {"id": "c", "capabilities": {"audio": True}, "deprecation": 1893456000},
    ]
}  # fmt: skip


def _lines(*values: Any) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


@cache
def _listed() -> Any:
    return seeds.utterances()


def _potato_state(content: bytes, folder: Path) -> None:
    from ambivox.models.exchange.potato import read_votes

    state = folder / "annotation_output/r1/user_state.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_bytes(content)
    read_votes(folder, _listed())


def _potato_config(content: bytes, folder: Path) -> None:
    (folder / "config.yaml").write_bytes(content)
    _potato_state(_lines(_POTATO_STATE), folder)


def _votes_of(tool: str, name: str) -> Callable[[bytes, Path], object]:
    def read(content: bytes, folder: Path) -> object:
        from importlib import import_module

        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return import_module(f"ambivox.models.exchange.{tool}").read_votes(folder / name, _listed())

    return read


def _lhotse(
    recordings: bytes | None, supervisions: bytes | None, labels: bytes = b""
) -> Callable[[bytes, Path], object]:
    """The corpus, with the content in place of the file that is None."""

    def read(content: bytes, folder: Path) -> object:
        from ambivox.models.corpora.lhotse import load

        (folder / "recordings.jsonl").write_bytes(content if recordings is None else recordings)
        (folder / "supervisions.jsonl").write_bytes(content if supervisions is None else supervisions)
        (folder / "labels.json").write_bytes(labels or content)
        return load(folder)

    return read


def _exported_lhotse(name: str) -> Callable[[bytes, Path], object]:
    """What `ambivox export --format lhotse` wrote, with the content in place of one file."""

    def read(content: bytes, folder: Path) -> object:
        from ambivox.models.exchange import lhotse

        lhotse.write(_tables(), folder)
        (folder / name).write_bytes(content)
        return lhotse.read(folder)

    return read


@cache
def _tables() -> Any:
    import polars as pl

    from ambivox.models.exchange import LinkedTables
    from ambivox.models.tables import Votes

    rows = [("u1", "r1", "human", "anger", 1.0), ("u2", "r1", "human", "joy", 0.5)]
    votes = pl.DataFrame(rows, schema=Votes.required, orient="row")
    return LinkedTables.of(_listed(), Votes.check(votes, seeds.LABELS))


@cache
def _exported(name: str) -> bytes:
    from ambivox.models.exchange import lhotse

    with TemporaryDirectory() as folder:
        lhotse.write(_tables(), Path(folder))
        return (Path(folder) / name).read_bytes()


def _software(content: bytes, folder: Path) -> None:
    from ambivox.flows.software import recorded

    (folder / "software.yaml").write_bytes(content)
    recorded(folder)


def _openai_batch(content: bytes, _folder: Path) -> None:
    from ambivox.models.engines.hosted import openai_batch
    from ambivox.models.engines.hosted.batch_api import parsed_rows

    for row in parsed_rows(content, "a file"):
        str(row.get("custom_id"))
        openai_batch._answer_in(row)


def _openai_state(content: bytes, _folder: Path) -> None:
    from ambivox.models.engines._bounded_http import Response
    from ambivox.models.engines.hosted.openai_batch import _state

    _state(Response(200, {}, content).json())


def _gemini_batch(content: bytes, _folder: Path) -> None:
    from ambivox.models.engines.hosted import gemini_batch
    from ambivox.models.engines.hosted.batch_api import parsed_rows

    for row in parsed_rows(content, "a file"):
        str(row.get("key"))
        gemini_batch._answer_in(row)


def _hosted_models(content: bytes, _folder: Path) -> None:
    from ambivox.models.annotator_registry import models_source
    from ambivox.models.engines._bounded_http import Response

    for entry in models_source._parsed(Response(200, {}, content).json()):
        models_source._takes_audio(entry, str(entry.get("id", "")), {})
        models_source._shutdown(entry)
        models_source._listed_prices(entry)


def parsers() -> Iterator[tuple[str, Parser]]:
    """Names and parsers."""
    recordings, supervisions = _lines(_RECORDING), _lines(_SUPERVISION)
    error_row = {"custom_id": "a-2", "response": {"status_code": 400, "body": {"error": "no"}}}
    yield "potato-state", Parser(_potato_state, (_lines(_POTATO_STATE),))
    yield "potato-config", Parser(_potato_config, (_POTATO_CONFIG,))
    yield "potato-lines", Parser(_votes_of("potato", "annotations.jsonl"), (_lines(*_POTATO_LINES),))
    yield "potato-list", Parser(_votes_of("potato", "annotations.json"), (_lines(_POTATO_LINES),))
    yield "potato-old", Parser(_votes_of("potato", "r1/annotated_instances.jsonl"), (_lines(_POTATO_1),))
    yield "argilla", Parser(_votes_of("argilla", "records.json"), (_lines(_ARGILLA),))
    yield (
        "lhotse-recordings",
        Parser(
            _lhotse(None, supervisions, _lines({"labels": ["anger", "joy"]})),
            (recordings, _lines(_TRANSFORMED)),
        ),
    )
    yield "lhotse-supervisions", Parser(_lhotse(recordings, None, b"{}"), (supervisions,))
    yield "lhotse-labels", Parser(_lhotse(recordings, supervisions), (_lines({"labels": ["anger", "joy"]}),))
    for name in ("labels.json", "supervisions.jsonl"):
        yield f"lhotse-exported-{name.partition('.')[0]}", Parser(_exported_lhotse(name), (_exported(name),))
    yield "software", Parser(_software, (b"version: 0.1\npipeline: ab\nsteps:\n  pool: cd\n  ingest: ef\n",))
    yield "openai-batch", Parser(_openai_batch, (_lines(_BATCH_ROW, error_row),))
    yield "openai-batch-state", Parser(_openai_state, (_lines(_BATCH),), (InvalidResponseError,))
    yield "hosted-models", Parser(_hosted_models, (_lines(_MODELS),), (InvalidResponseError,))
    yield (
        "gemini-batch",
        Parser(_gemini_batch, (_lines(_GEMINI_ROW, {"key": "b", "error": {"code": 400, "message": "no"}}),)),
    )
