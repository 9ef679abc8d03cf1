"""Tables as people keep them, read without options: foreign headers, names without suffix, several labels, speakers apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.proposal import propose
from ambivox.models.ingestion.table_files import list_sources
from ambivox.models.ingestion.table_preview import preview
from ambivox.models.ingestion.user_table import read_user_table
from tests.support.found_tables import CLIPS, RATERS, VOTES, expected, rows, votes_of, write, write_recordings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("header", "encoding", "separator"),
    [
        (["Datei", "Sprecherin", "Bewerter", "Gefühl"], "cp1252", ";"),
        (["Fichier", "Locuteur", "Évaluateur", "Émotion"], "cp1252", ";"),
        (["archivo", "hablante", "anotador", "emoción"], "utf-8-sig", ","),
        (["arquivo", "falante", "avaliador", "emoção"], "utf-16", "\t"),
        (["音频文件", "说话人", "标注者", "情感"], "utf-8", ","),
        (["音声ファイル", "話者", "評価者", "感情"], "utf-8-sig", ","),
        (["파일", "화자", "평가자", "감정"], "utf-8", "\t"),
        (["Файл", "Диктор", "Аннотатор", "Эмоция"], "utf-8", ","),
    ],
)
def test_headers_of_other_languages(root: Path, header: list[str], encoding: str, separator: str) -> None:
    write(root / "table.csv", header, rows(), encoding, separator)
    data = load(root)
    assert votes_of(data) == expected()
    assert data.utterances["speaker"].n_unique() == 2


def test_a_header_that_means_nothing_is_still_the_header(root: Path) -> None:
    write(root / "table.csv", ["ไฟล์", "ผู้พูด", "ผู้ประเมิน", "อารมณ์"], rows())
    (source,) = list_sources(root, {}).sources
    assert source.frame.height == 12
    assert source.frame.columns[0] == "ไฟล์"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("激しい怒りと悲しみ", "cp932"),
        ("愤怒", "gb18030"),
        ("분노", "euc_kr"),
        ("憤怒", "big5"),
        ("злость", "cp1251"),
        ("θυμός", "cp1253"),
    ],
)
def test_text_in_another_encoding_is_refused_and_not_garbled(root: Path, text: str, encoding: str) -> None:
    write(
        root / "table.csv",
        ["file", "speaker", "rater", "emotion"],
        [*rows(), ["Ton/otto 2.wav", "otto", "n", text]],
        encoding,
    )
    with pytest.raises(UserError, match=r"table\.csv:14: text in an encoding .* save the table as UTF-8"):
        load(root)


def test_western_text_of_windows_is_read(root: Path) -> None:
    texts = ["Äußerst naïve – „öfter“", "España: ¿qué?", "œuvre à l’été…", "Straße 12 €"]
    lines = [[*row, texts[number // 3]] for number, row in enumerate(rows())]
    write(root / "table.csv", ["file", "speaker", "rater", "emotion", "text"], lines, "cp1252", ";")
    assert load(root).utterances["transcript"].to_list() == texts


@pytest.mark.parametrize("form", ["{}", "{}.wav", "Ton/{}", "ton\\{}.WAV"])
def test_audio_names_without_folder_or_suffix(root: Path, form: str) -> None:
    write(root / "table.csv", ["clip", "actor", "rater", "emotion"], rows(form))
    assert votes_of(load(root)) == expected()


@pytest.mark.parametrize(
    ("of_clips", "of_votes"), [("Ton/{}.wav", "{}"), ("Ton/{}.wav", "{}.wav"), ("{}.wav", "{}")]
)
def test_votes_name_the_recordings_in_another_way(root: Path, of_clips: str, of_votes: str) -> None:
    write(root / "clips.csv", ["path", "speaker"], [[of_clips.format(clip), clip[:4]] for clip in CLIPS])
    write(
        root / "ratings.csv", ["stimulus", "rater", "emotion"], [[r[0], r[2], r[3]] for r in rows(of_votes)]
    )
    assert votes_of(load(root)) == expected()


def test_segments_of_recordings_that_have_no_ids(root: Path) -> None:
    lines = [
        [f"Ton/{CLIPS[n % 2]}.wav", "0" if n < 2 else "0.05", "0.05" if n < 2 else "0.1", "kim", "joy"]
        for n in range(4)
    ]
    write(root / "segments.csv", ["recording", "start", "end", "rater", "emotion"], lines)
    data = load(root)
    assert data.utterances.height == 4
    assert {Path(path).name for path in data.utterances["audio"]} == {f"{clip}.wav" for clip in CLIPS[:2]}
    assert sorted(data.utterances["utterance_id"])[0] == "Ton/vera 1.wav@0-0.05"


@pytest.mark.parametrize("separator", ["; ", "|", ",", " / ", "+", "&"])
def test_several_labels_of_an_annotator_share_the_vote(root: Path, separator: str) -> None:
    lines = rows()
    lines[0][3] = f'"joy{separator}fear"'
    lines[5][3] = f'"Calm{separator}joy{separator}calm"'
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], lines)
    data = load(root)
    several = expected() | {("vera 1", "kim"): {"joy", "fear"}, ("vera 2", "max"): {"calm", "joy"}}
    assert votes_of(data) == several
    assert any("2 votes have several labels" in note for note in data.notes)


def test_a_label_that_holds_a_separator_stays(root: Path) -> None:
    lines = [[*row[:3], "joy/love" if row[3] == "joy" else row[3]] for row in rows()]
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], lines)
    assert set(load(root).labels) == {"joy/love", "fear", "calm"}


@pytest.mark.parametrize("total", ["n_total", "n_answers", "n_raters"])
def test_a_total_is_no_label(root: Path, total: str) -> None:
    labels = ["fear", "joy", "calm"]
    lines = [
        [f"Ton/{clip}.wav", *(str(votes.count(label)) for label in labels), "3"]
        for clip, votes in zip(CLIPS, VOTES, strict=True)
    ]
    write(root / "counts.csv", ["path", *(f"n_{label}" for label in labels), total], lines)
    data = load(root)
    assert set(data.labels) == set(labels)
    assert data.votes.height == 12


def test_shares_are_named_and_not_read_as_counts(root: Path) -> None:
    write(
        root / "shares.csv", ["path", "joy", "fear"], [[f"Ton/{clip}.wav", "0.25", "0.75"] for clip in CLIPS]
    )
    with pytest.raises(UserError, match="'joy', 'fear' hold shares; write numbers of votes"):
        load(root)


@pytest.mark.parametrize("shares", [("25%", "75%"), ("33.3 %", "66.7 %"), ("100 %", "0 %")])
def test_percent_with_their_sign_are_no_labels(root: Path, shares: tuple[str, str]) -> None:
    lines = [[f"Ton/{clip}.wav", *shares[:: 1 if place % 2 else -1]] for place, clip in enumerate(CLIPS)]
    write(root / "percent.csv", ["path", "joy", "fear"], lines)
    with pytest.raises(UserError, match="'joy', 'fear' hold shares; write numbers of votes"):
        load(root)
    with pytest.raises(
        UserError, match=r"joy is .*expected a number of votes.*; shares are no votes: write numbers"
    ):
        load(
            root,
            utterances="percent.csv",
            audio="path",
            utterance="path",
            shape="counts",
            labels=("joy", "fear"),
        )


def test_numbers_as_labels_are_asked_about(root: Path) -> None:
    lines = [[*row[:3], str(len(row[3]))] for row in rows()]
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], lines)
    with pytest.raises(UserError, match=r"labels in 'emotion' are numbers \(3, 4\); --options.label emotion"):
        load(root)
    assert load(root, label="emotion").labels == ("3", "4")


def test_columns_named_after_raters(root: Path) -> None:
    lines = [[f"Ton/{clip}.wav", *votes] for clip, votes in zip(CLIPS, VOTES, strict=True)]
    write(root / "wide.csv", ["file", *RATERS], lines)
    assert votes_of(load(root)) == expected()
    write(root / "wide.csv", ["file", "intended", *RATERS[1:]], lines)
    assert propose(list_sources(root, {}).sources, {}).options["raters"] == list(
        RATERS[1:]
    )  # intentions are no votes
    write(root / "wide.csv", ["file", *RATERS[1:]], [[line[0], *line[2:]] for line in lines])
    assert not propose(list_sources(root, {}).sources, {}).is_sure  # two columns may be emotions of two kinds


@pytest.mark.parametrize("form", ["categorical", "enum", "keyed"])
def test_other_forms_of_files(root: Path, form: str) -> None:
    frame = pl.DataFrame(rows(), schema=["file", "speaker", "rater", "emotion"], orient="row")
    if form == "keyed":
        content: dict[str, Any] = {
            f"Ton/{clip}.wav": {"speaker": clip[:4], "votes": dict(zip(RATERS, votes, strict=True))}
            for clip, votes in zip(CLIPS, VOTES, strict=True)
        }
        (root / "table.json").write_text(json.dumps(content))
    else:
        kind = pl.Categorical() if form == "categorical" else pl.Enum(["calm", "fear", "joy"])
        frame.with_columns(pl.col("emotion").cast(kind)).write_parquet(root / "table.parquet")
    assert votes_of(load(root)) == expected()


@pytest.mark.parametrize("name", ["speakers.csv", "demographics.csv", "people.tsv"])
def test_a_table_of_speakers_is_joined(root: Path, name: str) -> None:
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], rows())
    separator = "\t" if name.endswith("tsv") else ","
    lines = [["otto", "male", "31", "de"], ["vera", "female", "44", "de"]]
    write(root / name, ["Speaker ID", "Gender", "Age (years)", "Mother tongue language"], lines, by=separator)
    utterances = load(root).utterances
    assert dict(utterances.select("speaker", "sex").rows()) == {"otto": "male", "vera": "female"}
    assert dict(utterances.select("speaker", "age").rows()) == {"otto": 31.0, "vera": 44.0}


def test_numbered_speakers_are_joined_and_missing_ones_noted(root: Path) -> None:
    lines = [[f"Ton/{clip}.wav", str(n), "kim", VOTES[n][0]] for n, clip in enumerate(CLIPS)]
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], lines)
    write(root / "speakers.csv", ["speaker", "sex"], [["0.0", "f"], ["1.0", "m"], ["3.0", "f"]])
    data = load(root)
    assert dict(data.utterances.select("speaker", "sex").rows()) == {"0": "f", "1": "m", "2": None, "3": "f"}
    assert "speakers.csv lacks 1 speaker, such as '2'" in data.notes


def test_a_table_of_speakers_with_a_mistake_is_one_line(root: Path) -> None:
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], rows())
    write(root / "speakers.csv", ["speaker", "sex"], [["vera", "f"], ["otto", "m"], ["otto", "f"]])
    with pytest.raises(UserError, match=r"speakers\.csv: 'otto' has several rows that differ"):
        load(root)
    write(root / "speakers.csv", ["name", "sex"], [["x", "f"], ["y", "m"]])
    assert any("no column has the speakers" in note for note in load(root).notes)
    with pytest.raises(UserError, match="no column has the speakers"):
        load(root, speakers="speakers.csv")
    with pytest.raises(UserError, match="no such file"):
        load(root, speakers="people.csv")


def test_what_is_no_table_says_what_it_is(root: Path) -> None:
    (root / "project.json").write_text(json.dumps([{"id": 1, "data": {"audio": "a.wav"}, "annotations": []}]))
    with pytest.raises(UserError, match="an export of Label Studio: `ambivox import-votes"):
        load(root)
    (root / "project.json").write_text("[1, 2]")
    with pytest.raises(UserError, match="expected a list of JSON objects"):
        load(root)
    (root / "project.json").unlink()
    (root / "train").mkdir()
    write(root / "train/metadata.csv", ["file_name", "label"], [["a.wav", "joy"]])
    with pytest.raises(UserError, match=r"no table .* below it are train/metadata\.csv"):
        load(root)


@pytest.mark.parametrize("audio", ["Ton/{}.wav", "Ton\\{}.WAV", "{}.wav", "{}"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_first_row_of_data_is_not_lost(root: Path, audio: str, separator: str) -> None:
    first, *others = rows(audio)
    write(root / "ratings.txt", first, others, by=separator)
    for read in (lambda: load(root), lambda: preview(root, {}), lambda: load(root / "ratings.txt")):
        with pytest.raises(
            UserError, match=r"the first row is data \(.*vera 1.*\); write the columns' names"
        ):
            read()


def test_a_first_vote_in_a_table_of_its_own_is_not_lost(root: Path) -> None:
    lines = [[clip.replace(" ", ""), f"Ton/{clip}.wav", clip[:4]] for clip in CLIPS]
    write(root / "utterances.csv", ["utterance_id", "audio", "speaker"], lines)
    first, *others = [[row[0].replace(" ", ""), *row[2:]] for row in rows("{}")]
    write(root / "votes.csv", first, others)
    with pytest.raises(UserError, match=r"votes\.csv: the first row is data \(vera1, kim, joy\)"):
        load(root)


@pytest.mark.parametrize("row", ["0.000000\t{}.250000\tjoy", "0.1\t{}.2\tcalm"])
def test_label_tracks_are_named(root: Path, row: str) -> None:
    for clip in CLIPS:
        (root / f"{clip}.txt").write_text("".join(row.format(end) + "\n" for end in range(1, 4)))
    with pytest.raises(UserError, match=r"otto 1\.txt: a label track.*audio,start,end,annotator,label"):
        preview(root, {})


def test_recordings_without_a_table_are_counted(root: Path) -> None:
    with pytest.raises(UserError, match=r"is there, only 4 recordings; write one with a row per vote"):
        load(root)
    (root / "Ton/vera 1.TextGrid").write_text("File type")
    with pytest.raises(
        UserError, match=r"4 recordings and label files such as vera 1\.TextGrid, which are not"
    ):
        preview(root, {})


def test_columns_that_are_not_read_are_named(root: Path) -> None:
    write(
        root / "table.csv",
        ["file", "speaker", "rater", "emotion", "mood", "Age"],
        [[*row, "x", "3"] for row in rows()],
    )
    assert "not read: mood" in preview(root, {}).lines


@pytest.mark.parametrize("name", ["ratings.csv", "001.txt"])
def test_a_table_without_rows_is_said_to_have_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("file\tlabel\n", encoding="utf-16")
    for root in (tmp_path, tmp_path / name):
        with pytest.raises(UserError, match=f"no rows below the header of {name}; expected one row per vote"):
            preview(root, {})


@pytest.mark.parametrize(
    ("audio", "speaker", "label"),
    [
        ("Input.audio_url", "Input.speaker", "Answer.emotion"),
        ("Input.file", "Input.Speaker_ID", "Answer.mood"),
        ("Input.clip_path", "Input.actor", "Answer.emotion.label"),
    ],
)
def test_columns_of_a_batch_describe_the_clip(root: Path, audio: str, speaker: str, label: str) -> None:
    write(root / "batch.csv", [audio, speaker, "WorkerId", label], rows())
    data = load(root)
    assert votes_of(data) == expected()
    assert set(data.utterances["speaker"]) == {"vera", "otto"}


def test_what_a_worker_said_about_themselves_is_not_the_speaker_s(root: Path) -> None:
    lines = [[*row, "31"] for row in rows()]
    header = ["Input.file", "Input.speaker", "WorkerId", "Answer.emotion", "Answer.age"]
    write(root / "batch.csv", header, lines)
    utterances = load(root).utterances
    assert utterances["speaker"].n_unique() == 2
    assert "age" not in utterances.columns


def calls(root: Path, label: str, annotator: str) -> None:
    """Rows of segments on two channels, three votes each; ``qa`` names the annotators."""
    lines = [
        [f"Ton/{CLIPS[0]}.wav", ("left", "right")[turn % 2], str(turn / 100), "0.01", rater, votes[place]]
        for turn, votes in enumerate(VOTES)
        for place, rater in enumerate(RATERS)
    ]
    write(root / "segments.csv", ["recording", "channel", "offset", "duration", annotator, label], lines)


@pytest.mark.parametrize("label", ["mood", "Stimmung", "心情", "heard"])
def test_labels_beside_channels_and_other_short_texts(root: Path, label: str) -> None:
    calls(root, label, "qa")
    data = load(root)
    assert data.labels == ("calm", "fear", "joy")
    assert data.utterances["channel"].to_list() == [1, 2, 1, 2]
    assert data.votes.height == 12


def test_annotators_without_a_name_are_suggested(root: Path) -> None:
    calls(root, "mood", "qa")
    shown = "\n".join(preview(root, {}).lines)
    assert "if 'qa' names them: --options.annotator qa" in shown
    assert "not read: qa\n" in shown
    assert any("'qa'" in note for note in load(root).notes)
    assert load(root, annotator="qa").votes["annotator_id"].n_unique() == 3


def test_no_annotators_are_suggested_where_none_can_be(root: Path) -> None:
    lines = [[*row[:2], "lab" if n % 2 else "home", row[3]] for n, row in enumerate(rows())]
    write(root / "table.csv", ["file", "speaker", "place", "emotion"], lines)
    assert not any("--options.annotator" in line for line in preview(root, {}).lines)


@pytest.mark.parametrize("is_relative", [False, True])
def test_unreadable_files_beside_a_table_are_named_in_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_relative: bool
) -> None:
    (tmp_path / "answers.csv").write_text("clip,rater,emotion\na.wav,r1,happy\na.wav,r2,sad\nb.wav,r1,sad\n")
    (tmp_path / "batch2.xlsx").write_bytes(b"PK\x03\x04 cut short")
    (tmp_path / "settings.json").write_text('{"a": ')
    monkeypatch.chdir(tmp_path)
    root = Path() if is_relative else tmp_path

    notes = [note for note in read_user_table(root, {}).notes if "not readable" in note]

    assert len(notes) == 1
    assert notes[0].startswith("2 files are left out as not readable (batch2.xlsx: a spreadsheet workbook")
    assert "settings.json: expected a list" in notes[0]
    assert str(tmp_path) not in notes[0]
    assert any(line == f"note: {notes[0]}" for line in preview(root, {}).lines)


def test_an_unreadable_table_of_votes_that_the_user_named_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("clip,rater,emotion\na.wav,r1,happy\na.wav,r2,sad\nb.wav,r1,sad\n")
    (tmp_path / "more.xlsx").write_bytes(b"PK\x03\x04 cut short")

    with pytest.raises(UserError, match=r"more\.xlsx: a spreadsheet workbook, which cannot be read"):
        list_sources(tmp_path / "answers.csv", {"votes": "more.xlsx"})
