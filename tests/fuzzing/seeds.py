"""Valid inputs of the parsers, to be damaged."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import xlsxwriter

from ambivox.models.tables import Annotations, Distributions, Utterances, Votes

LABELS = ("anger", "joy", "sadness")
ROWS = (
    ("u1", "r1", "anger", 1.0),
    ("u1", "r2", "joy", 1.0),
    ("u2", "r1", "sadness", 0.5),
    ("ü3", "r,3", 'j"oy', 1.0),
)
CSV = b"""utterance_id,audio,annotator_id,label,speaker,transcript,start,end\r
u1,a.wav,r1,anger,s1,"said ""no"", twice",0.5,1.5\r
u1,a.wav,r2,joy,s1,,0.5,1.5\r
u2,b.wav,r1,sadness,s2,Gr\xc3\xbc\xc3\x9fe,1:02.5,1:04\r
"""
WORKBOOK_ROWS = (
    ("utterance_id", "audio", "annotator_id", "label"),
    ("u1", "a.wav", "r1", "anger"),
    ("u2", "b.wav", "r1", "joy"),
)


def utterances() -> Utterances:
    """Two utterances without audio."""
    rows = [
        {
            "utterance_id": name, "corpus": "c", "audio": f"{name}.wav", "audio_sha256": name * 8, "duration_seconds": 1.0,
            "sample_rate_hz": 16_000, "split": "train", "speaker": "s1", "transcript": "hello",
        }
        for name in ("u1", "u2")
    ]  # fmt: skip
    return Utterances.check(pl.DataFrame(rows), LABELS)


def parquet(table: str) -> bytes:
    """A table's file."""
    listed = utterances()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        if table == "utterances":
            listed.write(path)
        elif table == "votes":
            frame = pl.DataFrame(
                {
                    "utterance_id": ["u1", "u2"],
                    "annotator_id": ["r1", "r1"],
                    "annotator_kind": "human",
                    "label": ["anger", "joy"],
                    "weight": 1.0,
                }
            )
            Votes.check(frame, LABELS).write(path)
        elif table == "distributions":
            Distributions.of(listed.frame["utterance_id"], "human", np.full((2, 3), 1 / 3), LABELS).write(
                path
            )
        elif table == "annotations":
            row: dict[str, object] = {
                name: "x" for name, dtype in Annotations.required.items() if dtype == pl.String
            }
            row |= {
                "utterance_id": "u1",
                "elicitation": "exact",
                "temperature": 1.0,
                "refused": False,
                "logprobs": [-0.6931471805599453, -1.3862943611198906, -1.3862943611198906],
            }
            Annotations.check(pl.DataFrame([row]), LABELS).write(path)
        elif table == "nested":
            struct_votes = [{"label": "anger", "annotator": "r1"}, {"label": "joy", "annotator": "r2"}]
            frame = pl.DataFrame(
                {
                    "utterance_id": ["u1", "u2"],
                    "audio": [{"bytes": None, "path": "a.wav"}] * 2,
                    "annotator_id": ["r1", "r2"],
                    "votes": [struct_votes, []],
                    "label": [0, 0],
                }
            )
            frame.write_parquet(
                path,
                metadata={
                    "huggingface": json.dumps(
                        {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a"]}}}}
                    )
                },
            )
        return path.read_bytes()


def workbook() -> bytes:
    """An Excel workbook with two sheets."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    sheet = book.add_worksheet("votes")
    for number, row in enumerate(WORKBOOK_ROWS):
        sheet.write_row(number, 0, row)
    book.add_worksheet("notes").write(0, 0, "a note")
    book.close()
    return stream.getvalue()


def media(container: str, codec: str) -> bytes:
    """A fifth of a second of a tone, as phones and browsers record it."""
    import av

    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as file:
        track = file.add_stream(codec, rate=48_000, layout="mono")
        samples = (0.3 * np.sin(np.arange(9600) / 9))[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(track.format.name, "mono", 48_000, track.frame_size or None)
        for given in (frame, None):
            for part in resampler.resample(given):
                file.mux(track.encode(part))
        file.mux(track.encode(None))
    return stream.getvalue()


def safetensors() -> bytes:
    """A file with one tensor."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


LABEL_STUDIO = [
    {"id": 1, "data": {"audio": "/data/local-files/?d=u1.wav", "utterance_id": "u1", "transcript": ""},
     "annotations": [{"completed_by": {"id": 3, "email": "a@b.c"}, "updated_at": "2026-03-09T22:16:08Z", "was_cancelled": False,
                      "result": [{"from_name": "emotion", "value": {"choices": ["anger"]}, "meta": {"annotator_id": "r1"}}]}]},
    {"id": 2, "data": {"utterance_id": "u2"}, "annotations": [{"completed_by": 1, "result": [{"from_name": "emotion", "value": {"taxonomy": [["joy"]]}}]}]},
]  # fmt: skip
LABEL_STUDIO_MIN = [
    {
        "id": 1,
        "utterance_id": "u1",
        "annotator": 1,
        "annotation_id": 5,
        "updated_at": "2026-03-09T22:16:08Z",
        "emotion": "anger",
    },
    {
        "id": 2,
        "utterance_id": "u2",
        "annotator": {"id": 2},
        "annotation_id": 6,
        "emotion": {"choices": ["joy", "anger"]},
    },
]
LABEL_STUDIO_CSV = b'annotation_id,annotator,emotion,id,updated_at,utterance_id\n5,1,anger,1,2026-03-09T22:16:08Z,u1\n6,2,"{""choices"": [""joy""]}",2,,u2\n'
COMPLETION = {
    "model": "m-2026-01-01", "choices": [{"message": {"content": "B"}, "finish_reason": "stop",
        "logprobs": {"content": [{"token": "B", "logprob": -0.1, "top_logprobs": [{"token": "B", "logprob": -0.1}, {"token": "token_id:5", "logprob": -2.5}]}]}}],
    "usage": {"prompt_tokens": 120, "completion_tokens": 1, "prompt_tokens_details": {"audio_tokens": 80, "cached_tokens": 0}},
}  # fmt: skip
STREAM = b"""data: {"model": "m-2026-01-01", "choices": [{"delta": {"content": "B"}, "finish_reason": null}]}

data: {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 120}}

data: [DONE]
"""
MODEL_CONFIG = {
    "architectures": ["Qwen2AudioForConditionalGeneration"],
    "ambivox_alm": None,
    "quantization_config": None,
}
PARAMS = b"""# options
corpora:
  demo:
    corpus: demo
    root: data/demo/raw
    ingest: {keep_votes: 3, options: {}, schema: full}
    annotate: {engine: auto, personas: [voice_and_words, tone], orders: 6}
    pool: {criterion: likelihood}
pretrain:
  demo: {epochs: 2}
trial: {}
matrix: {corpora: [demo], sources: [human], dime_aug: ["on"]}
seed: 0
"""
IEMOCAP = b"""% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[140.2250 - 145.6000]\tSes01F_impro05_F019\tang\t[1.5000, 4.0000, 4.5000]
C-E1:\tAnger;\t()
C-E3:\tAnger; Frustration;\t()
C-F1:\tAnger;\t()
A-E3:\tval 2; act 4; dom  4;\t()

"""
MSP_JSON = {
    "MSP-PODCAST_0001_0001.wav": {
        "WORKER1": {"EmoClass_Major": "Angry", "EmoVal": 2.0},
        "WORKER2": {"EmoClass_Major": "Happy"},
    }
}
EMBEDDED_VOTES = (b"utterance_id,audio,votes\nu1,a.wav,\"['anger', 'joy']\"\nu2,b.wav,\"{\"\"anger\"\": 2, \"\"joy\"\": 1}\"\n",
                  b"utterance_id,audio,votes\nu1,a.wav,\"[{\"\"label\"\": \"\"anger\"\", \"\"annotator\"\": \"\"r1\"\"}]\"\n")  # fmt: skip
HUB_MODELS = [
    {
        "_id": "6",
        "id": "Org/model",
        "modelId": "Org/model",
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "private": False,
        "tags": ["audio"],
        "lastModified": "2026-01-01T00:00:00.000Z",
        "gated": False,
    }
]
IMPORTED_VOTES = b"utterance_id,annotator_id,label,weight,source,source_sha256\nu1,r1,anger,1.0,a.json,ab\nu2,r2,joy,0.5,a.json,ab\n"
ANSWERS = (
    b"utterance_id,model,label\nu1,gpt,anger\nu2,gpt,joy\n",
    b"utterance_id,model,anger,joy,sadness\nu1,gpt,0.7,0.3,0\nu2,gpt,1,2,3\n",
    b'utterance_id,model,response\nu1,gpt,"I hear anger."\nu2,gpt,B\n',
)
