"""A dataset's folder with the audio in it, and how it is divided into files."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile
import yaml

from ambivox.models.audio.clips import Clip
from ambivox.models.errors import UserError
from ambivox.models.exchange import huggingface
from ambivox.models.publishing.dataset_folder import Release, write_dataset
from ambivox.models.reporting.data_card import facts
from ambivox.models.reporting.reading import Run
from ambivox.models.tables import DIMENSIONS, Ratings, Utterances
from tests.support.report_run import make_run
from tests.support.wav_files import tone, write_wav

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Eight utterances in recordings of two seconds: of the first the second half, the others as a whole."""
    root = make_run(tmp_path / "run", 8)
    table = Utterances.read(root / "ingest/utterances.parquet")
    (tmp_path / "recordings").mkdir()
    rows = []
    for number, row in enumerate(table.frame.to_dicts()):
        path = tmp_path / "recordings" / f"{row['utterance_id']}.wav"
        write_wav(path, tone(2.0, hz=200 + 20 * number))
        clip = Clip(str(path), 1.0 if number == 0 else None)
        digest = clip.sha256(hashlib.sha256(path.read_bytes()).hexdigest())
        rows.append(
            row
            | {"utterance_id": f"../{row['utterance_id']}" if number == 1 else row["utterance_id"]}
            | {"audio": str(path), "start_seconds": clip.start_seconds, "audio_sha256": digest}
            | {"duration_seconds": 2.0 - (clip.start_seconds or 0)}
        )
    frame = pl.DataFrame(rows, schema=table.frame.schema)
    Utterances.check(frame, table.labels).write(root / "ingest/utterances.parquet")
    for path in root.glob("*/*.parquet"):  # the second one's name would lead out of the folder
        renamed = pl.read_parquet(path)
        if "utterance_id" in renamed.columns and path.name != "utterances.parquet":
            metadata = {k: v for k, v in pl.read_parquet_metadata(path).items() if k.startswith("ambivox")}
            renamed.with_columns(pl.col("utterance_id").replace("u0001", "../u0001")).write_parquet(
                path, metadata=metadata
            )
    return Run(root)


def released(run: Run) -> Release:
    return Release("team/unit", "unit", "v1", "2026-01-01", facts(run, "cc0-1.0"))


def samples_of(row: dict[str, Any]) -> np.ndarray:
    """What an utterance's source holds, from its start to the end."""
    samples, rate = soundfile.read(row["audio"])
    return np.asarray(samples[int(rate * (row["start_seconds"] or 0)) :])


def code_that_decodes(page: str) -> str:
    """The block of Python in which a page shows how recordings are decoded, with this folder for the hub's dataset."""
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "soundfile" in block)
    return re.sub(r'"(OWNER/NAME|team/unit)"', "str(out)", code.replace(', revision="v1"', ""))


def test_audio_is_in_the_rows(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(huggingface, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(huggingface, "_SHARD_BYTES", 1)
    (out := tmp_path / "out").mkdir()
    write_dataset(run, released(run), ("audio", "votes"), out)
    names = {path.name for path in (out / "data").iterdir()}
    assert names == {
        f"{split}-0000{n}.parquet" for split in ("pretrain", "train", "development", "test") for n in (0, 1)
    }
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in loaded.items()} == dict.fromkeys(loaded, 2)
    assert run.utterances is not None
    wanted = {row["utterance_id"]: samples_of(row) for row in run.utterances.frame.to_dicts()}
    for part in loaded.values():
        assert isinstance(part.features["audio"], datasets.Audio)
        for row in part.cast_column("audio", datasets.Audio(decode=False)):
            recording = row["audio"]
            assert "/" not in recording["path"]
            assert recording["bytes"].startswith(b"fLaC") == (row["utterance_id"] == "u0000")
            samples, rate = soundfile.read(io.BytesIO(recording["bytes"]))
            np.testing.assert_array_equal(samples, wanted[row["utterance_id"]])
            assert rate == 16_000
    # Readers are shown how, in the documentation and in the dataset's own card.
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for page in (ROOT / "docs/sharing.md", out / "README.md"):
        variables: dict[str, Any] = {"out": out}
        exec(code_that_decodes(page.read_text()), variables)  # noqa: S102  (our own documentation)
        np.testing.assert_array_equal(variables["samples"], wanted[variables["rows"][0]["utterance_id"]])
        assert variables["sample_rate"] == 16_000
    # The recordings that were whole are byte for byte the corpus's.
    row = loaded["train"].cast_column("audio", datasets.Audio(decode=False))[1]
    source = run.utterances.frame.filter(utterance_id=row["utterance_id"])["audio"][0]
    assert row["audio"]["bytes"] == Path(source).read_bytes()
    assert run.votes is not None
    assert huggingface.read(out).votes.frame.equals(run.votes.frame.sort("utterance_id", "annotator_id"))


def test_a_recording_that_changed_is_not_published(run: Run, tmp_path: Path) -> None:
    assert run.utterances is not None
    write_wav(Path(run.utterances.frame["audio"][4]), tone(2.0, hz=999))
    (out := tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"changed .since it was ingested"):
        write_dataset(run, released(run), ("audio",), out)


def test_a_run_without_distributions(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(UserError, match="no utterances, votes or distributions"):
        write_dataset(run, Release("a/b", "b", "v1", "2026-01-01", {}), (), tmp_path)


def test_audformat_reads_it(run: Run, tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    (out := tmp_path / "out").mkdir()
    write_dataset(run, released(run), ("votes", "audformat"), out)
    database = audformat.Database.load(str(out / "audformat"), load_data=True)
    assert run.votes is not None
    votes = run.votes.frame.sort("utterance_id", "annotator_id")
    read = database["votes"].df
    assert read["utterance"].to_list() == votes["utterance_id"].to_list()
    assert read["rater"].to_list() == votes["annotator_id"].to_list()
    assert read["emotion"].to_list() == votes["label"].to_list()
    assert all(rater.type == "human" for rater in database.raters.values())
    pooled = run.distributions["pooled"].frame
    shown = database["distribution"].df
    for name in pooled["utterance_id"]:
        row = shown.loc[f"{name.removeprefix('../')}.wav"]
        assert row["angry"] == pooled.filter(utterance_id=name)["angry"][0]
    readme = (out / "README.md").read_text()
    assert "audformat/db.votes.parquet" in readme


def test_ratings_are_in_the_rows_and_in_the_card(run: Run, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    mlcroissant = pytest.importorskip("mlcroissant")
    assert run.utterances is not None
    rows: list[tuple[object, ...]] = [
        ("u0002", "r1", 1.0, 7.0, 2.0, 3.0, None),
        ("u0002", "r2", 1.0, 7.0, 4.0, 3.0, 5.0),
    ]
    rows += [("u0003", None, 1.0, 7.0, 6.5, 1.0, 1.0)]
    columns = ["utterance_id", "annotator_id", "lowest", "highest", *DIMENSIONS]
    table = pl.DataFrame(rows, columns, orient="row", infer_schema_length=None)
    Ratings.check(table, run.utterances.labels).write(run.root / "ingest/ratings.parquet")
    (out := tmp_path / "out").mkdir()
    write_dataset(run, released(run), ("votes",), out)
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    by_name = {row["utterance_id"]: row for part in loaded.values() for row in part}
    assert [by_name["u0002"][name] for name in DIMENSIONS] == [3.0, 3.0, 5.0]
    assert [rating["annotator_id"] for rating in by_name["u0002"]["ratings"]] == ["r1", "r2"]
    assert (by_name["u0003"]["arousal"], by_name["u0000"]["arousal"], by_name["u0000"]["ratings"]) == (
        6.5,
        None,
        [],
    )
    card = (out / "README.md").read_text()
    assert "of 2 utterances by 2 annotators, from 1 to 7" in card
    header = yaml.safe_load(card.split("---\n", 2)[1])
    features = next(info["features"] for info in header["dataset_info"] if info["config_name"] == "default")
    assert datasets.Features._from_yaml_list(features) == loaded["train"].features
    metadata = mlcroissant.Dataset(jsonld=out / "croissant.json").metadata
    assert metadata.ctx.issues.errors == set()
    # Without the votes of single annotators, the corpus's own means stay.
    (few := tmp_path / "few").mkdir()
    write_dataset(run, released(run), (), few)
    assert huggingface.read(few).ratings.frame["utterance_id"].to_list() == ["u0003"]  # type: ignore[union-attr]
