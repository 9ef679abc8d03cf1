"""Audio paths as spreadsheets, other systems and other programs write them lead to the file, or to a reject that says why."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.corpora.table import load
from ambivox.models.ingestion.audio_paths import outside_root, resolve_audio
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest
from tests.support.wav_files import tone, write_wav


def resolved(folder: Path, *names: str) -> list[str]:
    """The names as paths."""
    kept, rejects, _ = resolve_audio(pl.DataFrame({"audio": list(names)}), folder)
    assert not rejects.height
    return kept["audio"].to_list()


NAMES = ["a.wav", "sub/b.wav", "with blank/c d.wav", "Ängström/ñandú.wav", "日本/声.wav", "percent%20.wav"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "written",
    [
        lambda _, name: name,
        lambda _, name: f"./{name}",
        lambda root, name: str(root / name),
        lambda _, name: name.replace("/", "\\"),
        lambda _, name: ".\\" + name.replace("/", "\\"),
        lambda root, name: (root / name).as_uri(),
        lambda root, name: (root / name).as_uri().replace("file:", "FILE:"),
        lambda _, name: unicodedata.normalize("NFD", name),
        lambda root, name: unicodedata.normalize("NFC", str(root / name)),
        lambda _, name: name.upper(),
        lambda _, name: unicodedata.normalize("NFD", name).replace("/", "\\").upper(),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_recording_is_found_as_it_is_written(tmp_path: Path, name: str, written: object, form: str) -> None:
    path = tmp_path / unicodedata.normalize(form, name)
    write_wav(path, tone())
    assert callable(written)
    (found,) = resolved(tmp_path, written(tmp_path, name))
    assert Path(found).samefile(path)


def test_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_wav(tmp_path / "home" / "a.wav", tone())
    assert resolved(tmp_path, "~/a.wav") == [str(tmp_path / "home" / "a.wav")]
    write_wav(tmp_path / "~" / "a.wav", tone())  # a folder of that name comes first
    assert resolved(tmp_path, "~/a.wav") == [str(tmp_path / "~" / "a.wav")]


def test_a_name_that_could_be_two_files_is_a_reject_that_names_both(tmp_path: Path) -> None:
    for name in ("Call.wav", "CALL.wav", "x/clip.wav", "y/clip.flac"):
        write_wav(tmp_path / name, tone())
    names = ["call.wav", "Call.wav", "clip", "x/clip"]
    frame = pl.DataFrame({"audio": names, "utterance_id": names, "file": "t.csv", "line": [1, 2, 3, 4]})
    kept, rejects, _ = resolve_audio(frame, tmp_path)
    assert kept["audio"].to_list() == [f"{tmp_path}/Call.wav", f"{tmp_path}/x/clip.wav"]
    assert set(rejects["reason"]) == {"audio name fits several recordings"}
    assert rejects["detail"].str.contains("CALL.wav, Call.wav|x/clip.wav, y/clip.flac").all()


@pytest.mark.parametrize(
    "name",
    [
        "anna 7",
        "Anna 7",
        "anna 7.wav",
        "ANNA 7.WAV",
        "./anna 7",
        "deep/anna 7",
        "old\\place\\anna 7.wav",
        "deep\\anna 7",
    ],
)
def test_a_recording_is_found_by_its_name_alone(tmp_path: Path, name: str) -> None:
    write_wav(tmp_path / "deep/Anna 7.wav", tone())
    assert resolved(tmp_path, name) == [f"{tmp_path}/deep/Anna 7.wav"]


def test_numbers_name_recordings_whatever_a_program_made_of_them(tmp_path: Path) -> None:
    write_wav(tmp_path / "wav/101.wav", tone())
    kept, _, notes = resolve_audio(pl.DataFrame({"audio": ["101", "101.0", "102"]}), tmp_path)
    assert kept["audio"].to_list() == [*[f"{tmp_path}/wav/101.wav"] * 2, f"{tmp_path}/102"]
    assert notes == ["2 audio names are those of recordings below the folder, such as '101': wav/101.wav"]


def test_a_backslash_in_a_name_is_kept_where_the_file_has_one(tmp_path: Path) -> None:
    write_wav(tmp_path / "a\\b.wav", tone())
    write_wav(tmp_path / "a" / "b.wav", tone())
    assert resolved(tmp_path, "a\\b.wav") == [f"{tmp_path}/a\\b.wav"]


@pytest.mark.parametrize(
    "name", ["C:\\data\\a.wav", "D:/a.wav", "file:///C:/data/a.wav", "\\\\server\\share\\a.wav"]
)
def test_paths_of_another_computer_are_missing_and_no_error(tmp_path: Path, name: str) -> None:
    assert not Path(resolved(tmp_path, name)[0]).exists()


def test_s3_stays(tmp_path: Path) -> None:
    assert resolved(tmp_path, "s3://speech/a b.wav", "S3://speech/A.wav") == [
        "s3://speech/a b.wav",
        "s3://speech/A.wav",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.wav",
        "HTTP://example.org/a.wav",
        "ftp://example.org/a.wav",
        "gs://bucket/a.wav",
        "az://container/a.wav",
        "hf://datasets/x/a.wav",
        "data:audio/wav;base64,UklGRg==",
        "smb://server/a.wav",
    ],
)
def test_other_urls_are_rejected_as_such(tmp_path: Path, url: str) -> None:
    frame = pl.DataFrame({"utterance_id": ["a", "b", "c"], "audio": [url, "a.wav", None]})
    kept, rejects, _ = resolve_audio(frame, tmp_path)
    assert kept["utterance_id"].to_list() == ["b", "c"]
    row = rejects.row(0, named=True)
    assert (row["utterance_id"], row["reason"]) == ("a", "audio is at a URL that is not read")
    assert row["detail"].startswith(url)


def corpus(root: Path, audio: list[str]) -> None:
    """A table of utterances of these recordings, with one vote each."""
    root.mkdir(exist_ok=True)
    rows = "".join(f"u{index},{name},s{index}\n" for index, name in enumerate(audio))
    (root / "utterances.csv").write_text("utterance_id,audio,speaker\n" + rows)
    votes = "".join(f"u{index},r1,anger\n" for index in range(len(audio)))
    (root / "votes.csv").write_text("utterance_id,annotator_id,label\n" + votes)


def ingested(root: Path, *, may_be_outside: bool) -> IngestedCorpus:
    """The corpus, ingested."""
    allowed = None if may_be_outside else root
    return ingest(load(root), "table", root=allowed, cache=root.parent / "cache.sqlite")


def test_audio_outside_the_folder_needs_the_option(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    inside, outside = write_wav(root / "a.wav", tone()), write_wav(tmp_path / "corpus2" / "b.wav", tone())
    linked = write_wav(tmp_path / "disk" / "c.wav", tone())
    (root / "links").symlink_to(tmp_path / "disk")
    corpus(
        root, ["a.wav", inside, "../corpus2/b.wav", outside, "links/c.wav", linked, "sub/../../corpus2/b.wav"]
    )
    (root / "sub").mkdir()
    strict = ingested(root, may_be_outside=False)
    assert strict.utterances.frame["utterance_id"].to_list() == ["u0", "u1", "u4"]
    assert strict.profile["rejects"] == {
        "audio is outside the corpus's folder": 4,
        "votes for an utterance without audio": 4,
    }
    detail = strict.rejects.filter(utterance_id="u3", reason="audio is outside the corpus's folder")[
        "detail"
    ][0]
    assert detail == f"{outside} is not below {root}; if it is meant: --allow-outside-root"
    assert len(ingested(root, may_be_outside=True).utterances) == 7


def test_the_corpus_s_folder_may_be_relative_or_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav(tmp_path / "real" / "a.wav", tone())
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    for root in (Path("real"), Path("link"), tmp_path / "link", Path("./real/..", "real")):
        names = [f"{root}/a.wav", str(tmp_path / "real" / "a.wav"), "s3://bucket/x", None, "real2/a.wav"]
        assert outside_root(names, root) == [False, False, False, False, True]


def test_a_parent_behind_a_link_is_that_of_what_the_link_leads_to(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
    write_wav(root / "a.wav", tone())
    write_wav(elsewhere / "audio" / "b.wav", tone(2.0))
    write_wav(elsewhere / "private.wav", tone())
    (root / "sub").mkdir()
    (root / "audio").symlink_to(elsewhere / "audio")
    (root / "inside").symlink_to(root / "sub")
    names = [
        "sub/../a.wav",
        "audio/b.wav",
        "inside/../a.wav",
        "./audio/../private.wav",
        "sub/../audio/../private.wav",
    ]
    names += ["audio/..", "audio/../../corpus/a.wav", "sub\\..\\audio\\..\\private.wav"]
    corpus(root, names)
    strict = ingested(root, may_be_outside=False)
    assert strict.utterances.frame["utterance_id"].to_list() == ["u0", "u1", "u2", "u6"]
    assert strict.profile["rejects"]["audio is outside the corpus's folder"] == 4
    assert outside_root([f"{root}/audio/../x\0.wav", f"{root}/..", f"{root}/..a/x", f"{root}/x.."], root) == [
        *(True, True, False, False)
    ]


def test_many_names_with_a_parent_take_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    calls = []
    realpath = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: calls.append(path) or realpath(path))
    names = [f"../corpus/{number}.wav" for number in range(1000)]
    assert not any(outside_root(names, Path("../corpus")))
    assert len(calls) < 5
