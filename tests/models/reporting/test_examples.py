"""Which utterances the report shows, their distributions and intervals, their audio, and the table of all of them."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.files import write_json
from ambivox.models.reporting.clips import ClipLimits, ClipPolicy
from ambivox.models.reporting.example_choice import choose_examples
from ambivox.models.reporting.parts import Section
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.sections import example_anchors, examples
from ambivox.models.reporting.utterance_figures import UtteranceFigures, utterance_figures
from ambivox.models.reporting.utterance_table import utterance_table
from ambivox.models.tables import Votes
from tests.support.report_run import HOSTILE, LABELS, make_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "unit", 60, with_audio=True)


def section_of(run: Run, count: int = 2, **limits: object) -> Section:
    return examples(run, utterance_figures(run), count, ClipLimits(**limits))  # type: ignore[arg-type]


def made_up(entropy: list[float], disagreement: list[float], gain: list[float]) -> UtteranceFigures:
    rows = len(entropy)
    frame = pl.DataFrame({"utterance_id": [f"u{row}" for row in range(rows)], "split": "test"})
    p_NK, votes_NK = np.full((rows, 2), 0.5), np.zeros((rows, 2))
    arrays = (np.array(values) for values in (entropy, disagreement, gain))
    return UtteranceFigures(frame, ("a", "b"), "pooled", p_NK, votes_NK, *arrays)


def test_every_kind_has_its_own_utterances() -> None:
    nan = float("nan")
    figures = made_up([0.9, 0.1, 0.9, 0.5, 0.3], [0.9, 0.2, 0.1, 0.8, nan], [0.1, 0.2, 0.0, 0.3, 0.2])
    kinds = {kind.key: kind.rows for kind in choose_examples(figures, 1)}
    assert kinds == {"ambiguous": (0,), "disputed": (3,), "valuable": (1,), "certain": (4,)}
    every = choose_examples(figures, 99)
    assert sorted(row for kind in every for row in kind.rows) == [0, 1, 2, 3, 4]
    is_first = pl.col("utterance_id") == "u0"
    split = pl.when(is_first).then(pl.lit("pretrain")).otherwise("split")
    learnt = replace(figures, frame=figures.frame.with_columns(split=split))
    assert 0 not in {row for kind in choose_examples(learnt, 99) for row in kind.rows}


def test_figures_are_those_of_the_tables(root: Path) -> None:
    run = Run(root)
    figures = utterance_figures(run)
    assert figures is not None and figures.source == "pooled" and run.utterances is not None
    outside = run.utterances.in_splits("train", "development", "test").frame["utterance_id"]
    assert figures.frame["utterance_id"].to_list() == outside.to_list()
    p_NK = run.distributions["pooled"].aligned(outside)
    assert np.allclose(figures.entropy_N, -(p_NK * np.log2(p_NK)).sum(1))
    assert (figures.votes_NK.sum(1) == 10).all()  # three and seven held out
    assert np.isfinite(figures.disagreement_N).all() and (figures.gain_N > 0).all()


def test_votes_alone_are_shown_before_anything_is_pooled(tmp_path: Path) -> None:
    run = Run(make_run(tmp_path / "unit", 24))
    for file in (tmp_path / "unit/distributions").iterdir():
        file.unlink()
    figures = utterance_figures(run)
    assert figures is not None and figures.source == "human" and np.isnan(figures.gain_N).all()
    assert [group.title for group in section_of(run).groups] == ["Most ambiguous", "Most certain"]


def test_a_card_has_every_source_with_intervals_and_the_votes_in_words(root: Path) -> None:
    run = Run(root)
    card = section_of(run).groups[0].examples[0].card
    assert [(column.source, column.note) for column in card.columns] == [
        ("human votes", "3"),
        ("held out", "7"),
        ("synthetic", ""),
        ("combined", ""),
        ("pooled", ""),
    ]
    for column in card.columns:
        if column.source in ("human votes", "held out", "pooled"):
            assert (column.low_K <= column.p_K).all() and (column.p_K <= column.high_K).all()
            assert (column.high_K - column.low_K > 0.1).all()
        else:
            assert np.isnan(column.low_K).all()  # one prompt has no range, and combined has no interval
    assert run.votes is not None
    counts = run.votes.counts(pl.Series([card.utterance_id]))[0]
    named = {word.split()[0]: int(word.split()[1]) for word in card.votes[0].split(": ")[1].split(", ")}
    assert named == {label: int(n) for label, n in zip(LABELS, counts, strict=True) if n}
    assert card.votes[1].startswith("Held out: ")


def test_the_interval_of_the_alm_is_its_range_over_prompts(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24)
    path = root / "annotations/annotations.parquet"
    run = Run(root)
    assert run.annotations is not None
    other = run.annotations.frame.with_columns(
        persona=pl.lit("tone"), logprobs=pl.lit(np.log([0.7, 0.1, 0.1, 0.1]).tolist())
    )
    type(run.annotations)(pl.concat([run.annotations.frame, other]), LABELS).write(path)
    run = Run(root)
    card = section_of(run, 1).groups[0].examples[0].card
    column = next(column for column in card.columns if column.source == "synthetic")
    assert column.high_K[0] > 0.6 and (column.low_K < column.high_K).all()


def test_audio_is_embedded_where_the_licence_allows_it(root: Path) -> None:
    for group in section_of(Run(root), seconds=1.5).groups:
        for example in group.examples:
            head, _, content = example.audio.partition(";base64,")
            assert head == "data:audio/ogg;codecs=opus"
            samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(content)))
            assert len(samples) / rate_hz < 1.55
            assert example.note.startswith("The first 1.5 s of ") or example.note == "1.0 s"


@pytest.mark.parametrize(
    ("policy", "profile", "said"),
    [
        ("never", {"audio_may_be_shared": True}, "report.clips is never"),
        ("licensed", {"licence": "for research only"}, "“for research only”, does not say that recordings"),
        ("licensed", {"audio_may_be_shared": "yes"}, "which is not known"),
        ("licensed", {"audio_may_be_shared": False, "licence": None}, "which is not known"),
    ],
)
def test_it_is_said_once_why_there_is_no_audio(
    tmp_path: Path, policy: ClipPolicy, profile: dict[str, object], said: str
) -> None:
    root = make_run(tmp_path / "unit", 24, with_audio=True)
    write_json(root / "ingest/profile.json", profile)
    section = section_of(Run(root), policy=policy)
    assert said in section.text[-1]
    assert not any(example.audio or example.note for group in section.groups for example in group.examples)
    assert example_anchors(section, utterance_figures(Run(root))) == {}


def test_always_embeds_whatever_the_licence_says(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24, with_audio=True)
    (root / "ingest/profile.json").unlink()
    assert section_of(Run(root), policy="always").groups[0].examples[0].audio


def test_missing_and_changed_recordings_are_said(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24, with_audio=True)
    run = Run(root)
    first, second, *_ = (e.card.utterance_id for e in section_of(run, 2).groups[0].examples)
    (root / "audio" / f"{first}.wav").unlink()
    (root / "audio" / f"{second}.wav").write_bytes((root / "audio/u0000.wav").read_bytes())
    heard = section_of(run, 2).groups[0].examples
    assert [example.note for example in heard] == [
        "No audio: the recording is missing.",
        "No audio: the recording is changed.",
    ]
    assert str(tmp_path) not in "".join(example.note for example in heard)


def test_a_limit_on_the_bytes_leaves_every_kind_some_audio(root: Path) -> None:
    run = Run(root)
    sizes = [len(example.audio) * 3 / 4 for group in section_of(run, 3).groups for example in group.examples]
    limited = section_of(run, 3, megabytes=sum(sizes) / 2 / 1e6)
    assert all(group.examples[0].audio for group in limited.groups)
    assert any("would exceed" in example.note for group in limited.groups for example in group.examples)


def test_the_table_links_to_what_can_be_heard(root: Path) -> None:
    run = Run(root)
    figures = utterance_figures(run)
    assert figures is not None
    section = section_of(run, 2)
    anchors = example_anchors(section, figures)
    table = utterance_table(figures, anchors, 100)
    columns = json.loads(table.data)["columns"]
    linked = dict(zip(columns["id"], columns["anchor"], strict=True))
    for group in section.groups:
        for example in group.examples:
            assert linked[example.card.utterance_id] == example.anchor
    assert sum(map(bool, linked.values())) == 8
    assert (table.shown, table.total) == (45, 45)
    assert [sum(shares) for shares in columns["p"]] == pytest.approx([100] * 45, abs=2)


def test_a_table_of_a_large_corpus_stays_small() -> None:
    rows = 100_000
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "utterance_id": [f"MSP-PODCAST_{row:06d}_0001" for row in range(rows)],
            "split": ["train"] * rows,
            "speaker": [f"speaker {row % 900}" for row in range(rows)],
            "transcript": [
                f"sentence {row} of some length, as people speak in podcasts" for row in range(rows)
            ],
            "duration_seconds": [3.0] * rows,
        }
    )
    p_NK = rng.dirichlet(np.ones(8), rows)
    score_N = rng.uniform(size=rows)
    labels = tuple(f"label {k}" for k in range(8))
    figures = UtteranceFigures(frame, labels, "pooled", p_NK, p_NK, score_N, score_N, score_N)
    table = utterance_table(figures, {77_777: "ambiguous-1"}, 20_000)
    assert (table.shown, table.total) == (20_000, rows)
    assert len(table.data) < 6_000_000
    ids = json.loads(table.data)["columns"]["id"]
    assert "MSP-PODCAST_077777_0001" in ids and len(set(ids)) == 20_000
    assert ids[0].endswith("000000_0001") and ids[-1].endswith("099999_0001")


def test_no_text_of_the_data_can_end_the_script_element(tmp_path: Path) -> None:
    labels = ("angry", HOSTILE, "neutral", "]]><!--<script>")
    run = Run(make_run(tmp_path / "unit", 24, hostile=HOSTILE, labels=labels))
    figures = utterance_figures(run)
    assert figures is not None
    table = utterance_table(figures, {}, 100)
    assert not set("<>&") & set(table.data)
    content = json.loads(table.data)
    assert content["labels"] == list(labels) and HOSTILE in content["columns"]["transcript"]
    assert all("<script" not in row.bar for row in table.rows)


def test_columns_without_values_are_left_out(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24)
    run = Run(root)
    assert run.utterances is not None
    frame = run.utterances.frame.with_columns(
        speaker=pl.lit(None, pl.String), transcript=pl.lit(None, pl.String)
    )
    type(run.utterances)(frame, LABELS).write(root / "ingest/utterances.parquet")
    (root / "distributions/synthetic.parquet").unlink()
    figures = utterance_figures(Run(root))
    assert figures is not None
    assert json.loads(utterance_table(figures, {}, 100).data)["hidden"] == [
        "speaker",
        "transcript",
        "disagreement",
    ]
    assert [group.title for group in section_of(Run(root), 1).groups] == [
        "Most ambiguous",
        "Most worth another vote",
        "Most certain",
    ]


def test_utterances_without_votes_of_their_own_have_no_column_of_votes(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24)
    for name in ("votes", "heldout"):
        path = root / f"ingest/{name}.parquet"
        table = Votes.read(path)
        Votes(table.frame.clear(), LABELS).write(path)
    section = section_of(Run(root), 1)
    assert "Most disputed" not in [group.title for group in section.groups]
    card = section.groups[0].examples[0].card
    assert [column.source for column in card.columns] == ["human", "synthetic", "combined", "pooled"][1:]
    assert card.votes == []
