"""Pseudonyms: equal names stay equal, no name is left, and the key is made once and never guessed."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.ingestion.pseudonyms import pseudonym, read_key
from ambivox.tasks.ingest import IngestOptions, ingest
from tests.support.scratch_project import environment
from tests.support.small_corpora import write_tone


def corpus(root: Path) -> Path:
    for number in range(4):
        write_tone(root / f"call{number}.wav", 200 + 10 * number)
    speakers = ["anna", "boris", "anna", ""]
    rows = [f"call{number},call{number}.wav,{speaker}" for number, speaker in enumerate(speakers)]
    (root / "utterances.csv").write_text("\n".join(["utterance_id,audio,speaker", *rows]) + "\n")
    votes = [f"call{number},{rater},joy" for number in range(4) for rater in ("rita", "anna")]
    (root / "votes.csv").write_text(
        "\n".join(["utterance_id,annotator_id,label", *votes, "call9,rita,joy"]) + "\n"
    )
    return root


def test_tables_hold_pseudonyms_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = corpus(tmp_path / "calls")
    imported = tmp_path / "imported.csv"
    imported.write_text(
        "utterance_id,annotator_id,label,weight,source,source_sha256\ncall0,rosa,joy,1.0,a.csv,0\n"
    )
    options = IngestOptions(pseudonyms=True, cache=tmp_path / "cache.sqlite", shares=(0.0, 0.5, 0.0, 0.5))
    out = ingest(corpus="table", root=root, out=tmp_path / "out", imported=imported, options=options)
    tables = [pl.read_parquet(path).to_dicts() for path in sorted(out.glob("*.parquet"))]
    text = str(tables) + "".join(
        path.read_text() for path in [*out.glob("*.json"), *out.glob("*.md"), *out.glob("*.svg")]
    )
    assert not [name for name in ("anna", "boris", "rita", "rosa") if name in text]
    key = read_key(tmp_path / ".ambivox/pseudonym.key")
    utterances = pl.read_parquet(out / "utterances.parquet")
    assert utterances["speaker"].to_list() == [
        pseudonym("anna", "speaker", key),
        pseudonym("boris", "speaker", key),
        pseudonym("anna", "speaker", key),
        None,
    ]
    raters = set(pl.read_parquet(out / "votes.parquet")["annotator_id"])
    assert raters == {pseudonym(name, "rater", key) for name in ("rita", "anna", "rosa")}
    again = ingest(corpus="table", root=root, out=tmp_path / "again", imported=imported, options=options)
    for path in out.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


MAKE = "import sys; from pathlib import Path; from ambivox.models.ingestion.pseudonyms import read_key; print(read_key(Path(sys.argv[1]), create=True).hex())"


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "key"
    together = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(path)], env=environment(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    keys = {process.communicate()[0] for process in together}
    assert keys == {path.read_text()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "anna", "00" * 31, "zz" * 32, "é"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(UserError, match="restore it from a backup"):
        read_key(path, create=True)
    assert path.read_text() == content
    with pytest.raises(UserError, match="no such file"):
        read_key(tmp_path / "absent")


def test_pseudonyms_depend_on_key_name_and_kind() -> None:
    keys = (bytes(32), bytes([1] * 32))
    made = {
        pseudonym(name, kind, key)
        for name in ("a", "b", "\ud800")
        for kind in ("speaker", "rater")
        for key in keys
    }
    assert len(made) == 12


def test_notes_about_columns_that_are_called_as_their_raters_hold_pseudonyms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "calls"
    rows = ["utterance_id,audio,speaker,rita,rosa,anna-maria"]
    for number in range(4):
        write_tone(root / f"call{number}.wav", 200 + 10 * number)
        rows.append(f"call{number},call{number}.wav,boris,joy,anger,joy")
    (root / "utterances.csv").write_text("\n".join(rows) + "\n")
    options = IngestOptions(pseudonyms=True, cache=tmp_path / "cache.sqlite")
    out = ingest(corpus="table", root=root, out=tmp_path / "out", options=options)
    texts = {path.name: path.read_text() for path in (out / "profile.json", out / "profile.md")}
    key = read_key(tmp_path / ".ambivox/pseudonym.key")
    for name, text in texts.items():
        assert not [word for word in ("rita", "rosa", "anna", "boris") if word in text], name
        assert pseudonym("anna-maria", "rater", key) in text


def test_votes_that_come_back_under_pseudonyms_are_not_doubled(tmp_path: Path) -> None:
    root = corpus(tmp_path / "calls")
    options = IngestOptions(
        pseudonyms=True,
        pseudonym_key=tmp_path / "key",
        cache=tmp_path / "cache.sqlite",
        shares=(0.0, 0.5, 0.0, 0.5),
    )
    first = ingest(corpus="table", root=root, out=tmp_path / "first", options=options)
    votes = pl.read_parquet(first / "votes.parquet")
    back = votes.select("utterance_id", "annotator_id", "label", "weight").with_columns(
        source=pl.lit("result.json"), source_sha256=pl.lit("0")
    )
    back.write_csv(tmp_path / "imported.csv")
    with (tmp_path / "imported.csv").open("a") as file:
        file.write("call0,rosa,joy,1.0,b.csv,0\n")
    key = read_key(tmp_path / "key")
    with (tmp_path / "imported.csv").open("a") as file:
        file.write(f"call0,{pseudonym('rosa', 'rater', key)},joy,1.0,b.csv,0\n")
    again = ingest(
        corpus="table",
        root=root,
        out=tmp_path / "again",
        imported=tmp_path / "imported.csv",
        options=options,
    )
    found = pl.read_parquet(again / "votes.parquet")
    assert found.filter(pl.col("annotator_id") != pseudonym("rosa", "rater", key)).equals(votes)
    assert found.height == votes.height + 1
