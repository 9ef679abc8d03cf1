"""The step annotate with the fake engine: what is asked, stored, rejected, resumed, and checked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.engines import EngineChoice, open_engine
from ambivox.models.engines.fake import FakeEngine
from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Utterances, Votes
from tests.support.annotation_fixtures import LABELS, RATE_HZ, utterance_row, write_clip
from tests.support.steps import annotate

ALL = ("train", "test")


@pytest.fixture(autouse=True)
def fresh_engine(monkeypatch):
    """No engine of another test; the one that a whole session shares is left alone."""
    monkeypatch.setattr("ambivox.models.engines._started", {})


@pytest.fixture
def run(tmp_path: Path):
    """``run(utterances, **options)`` annotates with the fake engine into a folder of its own."""

    def call(utterances: Path, name: str = "out", **options):
        options = {
            "alm": "qwen2_audio",
            "engine": "fake",
            "store": str(tmp_path / "store"),
            "shard": 4,
        } | options
        return annotate(utterances=utterances, out=tmp_path / name, **options)

    return call


def asked() -> int:
    """How many prompts the fake engine of this process has answered."""
    engine = open_engine(EngineChoice("fake", "qwen2_audio"))
    assert isinstance(engine, FakeEngine)
    return engine.scored


def table(out: Path) -> Annotations:
    return Annotations.read(out / "annotations.parquet")


def checks(out: Path) -> dict:
    return json.loads((out / "checks.json").read_text())


def test_one_row_for_every_utterance_persona_and_order(make_utterances, run):
    utterances = make_utterances(6)
    frame = table(run(utterances, personas=("paper", "placebo"), orders=4)).frame
    assert frame.height == 6 * 6 * 4
    assert frame.select("utterance_id", "persona", "option_order").is_unique().all()
    assert frame["utterance_id"].unique(maintain_order=True).to_list() == [f"u{n:04d}" for n in range(6)]
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    np.testing.assert_allclose(p_RK.sum(axis=1), 1, atol=1e-5)
    assert frame["label_mass"].is_between(0, 1).all()
    assert frame["engine"].unique().to_list() == ["fake 1"] and frame["elicitation"].unique().to_list() == [
        "exact"
    ]


def test_pretrain_utterances_are_not_annotated(tmp_path, make_utterances, run):
    utterances = make_utterances(4)
    before = Utterances.read(utterances)
    frame = before.frame.with_columns(split=pl.Series(["pretrain", "train", "development", "test"]))
    Utterances.check(frame, before.labels).write(utterances)
    assert table(run(utterances)).frame["utterance_id"].unique(maintain_order=True).to_list() == [
        "u0001",
        "u0002",
        "u0003",
    ]
    with pytest.raises(UserError, match="no utterances"):
        run(utterances, splits=("nonesuch",))


def test_only_what_is_new_is_computed(make_utterances, run):
    utterances = make_utterances(8)
    run(utterances, splits=("train",))
    first = asked()
    again = run(utterances, splits=("train",))
    assert asked() == first
    run(utterances, splits=ALL)
    second = asked() - first
    assert 0 < second < first  # two more clips, and what the checks ask of the new sample
    run(utterances, splits=ALL, personas=("voice_and_words", "tone", "subtle"))
    assert asked() - first - second == 8 * 2  # the new persona, in two orders
    assert table(again).frame.height == 8 * 3 * 2


def test_the_same_clip_under_two_names_is_asked_once(tmp_path, make_utterances, run):
    utterances = make_utterances(1)
    before = Utterances.read(utterances)
    twin = before.frame.with_columns(utterance_id=pl.lit("twin"))
    Utterances.check(pl.concat([before.frame, twin]), before.labels).write(utterances)
    out = run(utterances, splits=ALL, modality="audio")
    assert table(out).frame.group_by("utterance_id").len()["len"].to_list() == [4, 4]
    # two personas in two orders, and the transcript modality and both modality of the checks
    assert asked() == 4 + 4


def test_equal_runs_give_equal_bytes(make_utterances, run, tmp_path):
    utterances = make_utterances(5)
    first = run(utterances, "a", store=str(tmp_path / "s1"), votes=3)
    second = run(utterances, "b", store=str(tmp_path / "s2"), votes=3, shard=2)
    for name in (
        "annotations.parquet",
        "votes.parquet",
        "rejects.parquet",
        "checks.json",
        "answers.svg",
        "checks.svg",
    ):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_temperature_is_closed_form_and_free(make_utterances, run):
    utterances = make_utterances(4)
    plain = table(run(utterances, splits=ALL)).frame
    before = asked()
    hot = table(run(utterances, "hot", splits=ALL, temperature=2.0)).frame
    assert asked() == before
    p, q = (np.exp(np.array(frame["logprobs"].to_list())) for frame in (plain, hot))
    np.testing.assert_allclose(q, np.sqrt(p) / np.sqrt(p).sum(1, keepdims=True), atol=1e-5)
    assert set(hot["temperature"]) == {2.0}
    with pytest.raises(UserError, match="temperature"):
        run(utterances, temperature=0.0)


def test_votes_are_drawn_from_the_distribution_without_another_call(make_utterances, run):
    utterances = make_utterances(4)
    out = run(utterances, splits=ALL)
    before = asked()
    assert len(Votes.read(out / "votes.parquet")) == 0
    out = run(utterances, "voted", splits=ALL, votes=2000, seed=5)
    assert asked() == before
    votes = Votes.read(out / "votes.parquet")
    frame = votes.frame.filter(pl.col("annotator_id").str.contains(":tone:"))
    n_NK = Votes(frame, votes.labels).counts(pl.Series([f"u{n:04d}" for n in range(4)]))
    assert (n_NK.sum(1) == 2000).all()
    own = table(out).frame.filter(pl.col("persona") == "tone")
    expected = np.exp(np.array(own["logprobs"].to_list())).reshape(4, 2, -1).mean(axis=1)
    from scipy.stats import chisquare

    expected /= expected.sum(axis=1, keepdims=True)
    assert min(chisquare(n, 2000 * p).pvalue for n, p in zip(n_NK, expected, strict=True)) > 1e-4


def test_sampled_answers_are_rows_with_a_label_and_repeat_by_seed(make_utterances, run, tmp_path):
    utterances = make_utterances(4)
    frame = table(run(utterances, elicitation="sampled", personas=("paper",), votes=10, splits=ALL)).frame
    assert (
        frame.height == 40
        and frame["label"].is_in(LABELS).all()
        and frame["temperature"].is_between(0.1, 1).all()
    )
    same = table(
        run(
            utterances,
            "b",
            elicitation="sampled",
            personas=("paper",),
            votes=10,
            splits=ALL,
            store=str(tmp_path / "other"),
        )
    ).frame
    assert same.equals(frame)
    other = table(
        run(utterances, "c", elicitation="sampled", personas=("paper",), votes=10, splits=ALL, seed=1)
    ).frame
    assert not other["label"].equals(frame["label"])
    votes = Votes.read(tmp_path / "out" / "votes.parquet")
    assert (
        len(votes) == 40
        and votes.frame.group_by("utterance_id")
        .agg(pl.col("annotator_id").n_unique())["annotator_id"]
        .to_list()
        == [10] * 4
    )


def test_verbalised_answers_are_distributions(make_utterances, run):
    frame = table(run(make_utterances(3), elicitation="verbalised", splits=ALL)).frame
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    np.testing.assert_allclose(p_RK.sum(axis=1), 1, atol=1e-5)
    assert frame["label_mass"].null_count() == frame.height
    assert frame["response"].str.starts_with("{").all()


def test_a_refusal_is_kept_and_counted(make_utterances, run, monkeypatch):
    monkeypatch.setattr("ambivox.models.engines.fake._MASS", 0.004)
    out = run(make_utterances(2), splits=ALL)
    assert table(out).frame["refused"].all() and table(out).frame["logprobs"].null_count() == 8
    assert checks(out)["refusals"] == 8 and checks(out)["label_mass"]["mean"] == pytest.approx(0.004)


def test_a_sampled_answer_that_names_no_label_is_a_refusal(make_utterances, run, monkeypatch):
    monkeypatch.setattr(
        FakeEngine, "generate", lambda _self, requests, _settings: ["I would rather not."] * len(requests)
    )
    frame = table(run(make_utterances(2), elicitation="sampled", votes=3, splits=ALL)).frame
    assert frame["refused"].all() and frame["label"].null_count() == 6
    assert set(frame["response"]) == {"I would rather not."}


def test_an_annotator_that_does_not_hear_is_flagged(make_utterances, run, monkeypatch, capsys):
    utterances = make_utterances(8)
    assert checks(run(utterances, splits=ALL))["audio_sensitive"] is True
    monkeypatch.setattr("ambivox.models.engines.fake._logprobs", lambda _: np.log([0.4, 0.3, 0.2, 0.09]))
    out = run(utterances, "insensitive", splits=ALL, store=str(out_of(utterances) / "insensitive-store"))
    assert checks(out)["audio_sensitive"] is False and checks(out)["canary"]["js"] == 0
    assert "audio-insensitive" in capsys.readouterr().out


def out_of(path: Path) -> Path:
    return path.parent


def test_order_bias_is_measured(make_utterances, run, monkeypatch):
    first_wins = np.log(np.array([0.7, 0.1, 0.1, 0.1]))
    monkeypatch.setattr("ambivox.models.engines.fake._logprobs", lambda _: first_wins)
    biased = checks(run(make_utterances(4), orders=8, splits=ALL))["order_bias"]
    assert biased["positions"] == [0.7, 0.1, 0.1, 0.1] and biased["js"] > 0.1


def test_the_arms_say_what_it_listens_to(make_utterances, run):
    found = checks(run(make_utterances(8), splits=ALL))["modalities"]
    assert set(found["each"]) == {"audio", "transcript", "both"}
    # The fake engine goes by the audio wherever there is one.
    assert found["js"]["audio / both"] < 0.01 < found["js"]["audio / transcript"]


def test_the_transcript_arm_hears_nothing_and_needs_a_transcript(make_utterances, run):
    utterances = make_utterances(4)
    before = Utterances.read(utterances)
    spoken = before.frame.with_columns(
        transcript=pl.when(pl.col("utterance_id") == "u0001").then(None).otherwise("transcript"),
        audio=pl.lit("/nowhere.wav"),
    )
    Utterances.check(spoken, before.labels).write(utterances)
    out = run(utterances, modality="transcript", splits=ALL)
    assert table(out).frame["utterance_id"].n_unique() == 3 and checks(out)["audio_sensitive"] is None
    assert pl.read_parquet(out / "rejects.parquet")["reason"].to_list() == ["no transcript"]


@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_16"), ("flac", "PCM_16"), ("mp3", None), ("ogg", "OPUS")]
)
def test_every_format_rate_and_channel_count_is_heard(tmp_path, run, suffix, subtype, rate_hz):
    if subtype == "OPUS":
        rate_hz = {8_000: 8_000, 44_100: 48_000}[rate_hz]
    path = tmp_path / f"clip.{suffix}"
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(rate_hz) / rate_hz)
    soundfile.write(path, np.stack([tone, tone / 2], axis=1), rate_hz, subtype=subtype)
    utterances = Utterances.check(pl.DataFrame([utterance_row(path, 1)]), LABELS).write(
        tmp_path / "u.parquet"
    )
    assert len(table(run(utterances))) == 4


def hostile(folder: Path) -> dict[str, Path]:
    """Files that cannot be heard, by the reason that should be given."""
    folder.mkdir()
    tone = np.sin(np.arange(RATE_HZ) / 20).astype(np.float32)
    paths = {name: folder / f"{name}.wav" for name in ("corrupt", "empty", "not finite", "too short", "cut")}
    paths["corrupt"].write_bytes(b"RIFF" + bytes(range(200)))
    paths["empty"].write_bytes(b"")
    soundfile.write(paths["not finite"], np.full(RATE_HZ, np.nan, dtype=np.float32), RATE_HZ, subtype="FLOAT")
    soundfile.write(paths["too short"], tone[:1], RATE_HZ)
    soundfile.write(paths["cut"], tone, RATE_HZ)
    paths["cut"].write_bytes(paths["cut"].read_bytes()[:5000])
    return paths | {"missing": folder / "no 'such'\nfile\".wav"}


def test_what_cannot_be_heard_is_rejected_with_the_reason(tmp_path, run):
    paths = hostile(tmp_path / "hostile")
    odd = tmp_path / 'o\'dd "name"\n..' / "a.wav"
    odd.parent.mkdir()
    write_clip(odd, 1)
    rows = [utterance_row(path, number) for number, path in enumerate([odd, *paths.values()])]
    utterances = Utterances.check(pl.DataFrame(rows), LABELS).write(tmp_path / "u.parquet")
    out = run(utterances, splits=ALL)
    assert table(out).frame["utterance_id"].unique().to_list() == ["u0000"]
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects["reason"].to_list() == [
        "corrupt",
        "empty",
        "not finite",
        "too short",
        "corrupt",
        "missing",
    ]
    assert rejects["file"].to_list() == [str(path) for path in paths.values()]
    assert checks(out)["rejected"] == 6
    with pytest.raises(UserError, match="--on-error reject"):
        run(utterances, "strict", splits=ALL, strict=True)
    assert not (tmp_path / "strict").exists()


def test_long_clips_are_cut_into_windows_or_refused_never_in_silence(tmp_path, run, monkeypatch):
    path = tmp_path / "long.wav"
    write_clip(path, 1, seconds=70)
    utterances = Utterances.check(pl.DataFrame([utterance_row(path, 1)]), LABELS).write(
        tmp_path / "u.parquet"
    )
    heard: list[tuple[str, int]] = []
    score = FakeEngine.score

    def listen(self, requests):
        requests = list(requests)
        heard.extend(
            (request.audio_name, len(request.audio)) for request in requests if request.audio is not None
        )
        return score(self, requests)

    monkeypatch.setattr(FakeEngine, "score", listen)
    out = run(utterances, modality="audio")
    lengths = dict(heard)
    assert (
        len(lengths) == 3 and sum(lengths.values()) == 70 * RATE_HZ and max(lengths.values()) <= 30 * RATE_HZ
    )
    frame = table(out).frame
    assert frame.height == 4
    stored = pl.concat([pl.read_parquet(f) for f in (tmp_path / "store").rglob("*.parquet")])
    assert set(stored.filter(pl.col("key").is_not_null())["windows"]) >= {3}
    out = run(utterances, "refused", on_long="error", store=str(tmp_path / "other"))
    assert len(table(out)) == 0
    assert pl.read_parquet(out / "rejects.parquet")["reason"].to_list() == ["too long"]


def test_other_answers_to_the_same_questions_are_another_version(tmp_path, run):
    """Where this fails and should, ``ANSWERS_VERSION`` is to be raised: stores hold answers of the code before."""
    from ambivox.models.annotation.work_items import ANSWERS_VERSION

    rows = []
    for number, seconds in ((0, 0.5), (1, 65.0)):
        write_clip(tmp_path / f"{number}.wav", number, seconds)
        rows.append(
            utterance_row(tmp_path / f"{number}.wav", number, seconds) | {"audio_sha256": f"{number:064d}"}
        )
    utterances = Utterances.check(pl.DataFrame(rows), LABELS).write(tmp_path / "u.parquet")
    frame = table(run(utterances, splits=ALL, personas=("tone",), orders=2)).frame
    found = np.exp(np.array(frame["logprobs"].to_list()))
    pinned = [
        [0.064913, 0.19902, 0.457099, 0.278967],
        [0.056908, 0.186503, 0.45788, 0.298709],
        [0.149243, 0.195433, 0.224524, 0.4308],
        [0.130791, 0.18275, 0.226472, 0.459987],
    ]
    assert ANSWERS_VERSION == 1
    np.testing.assert_allclose(found, pinned, atol=1e-5)
    sampled = run(utterances, "sampled", splits=ALL, elicitation="sampled", votes=8, seed=3)
    assert "".join(label[0] for label in table(sampled).frame["label"]) == "nnnnnnnsnsasssss"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alm": "nonesuch"}, "unknown ALM"),
        ({"engine": "nonesuch"}, "unknown engine"),
        ({"personas": ("nonesuch",)}, "unknown persona"),
        ({"orders": 3}, "even number"),
        ({"elicitation": "sampled"}, "--votes"),
        ({"alm": "tiny"}, "no published weights"),
        ({"engine": "server"}, "--server"),
    ],
)
def test_a_wrong_setting_is_said_in_one_line(make_utterances, run, options, message):
    with pytest.raises(UserError, match=message):
        run(make_utterances(1), splits=ALL, **options)


SLOW = """
import sys, time
from pathlib import Path
from ambivox.models.engines.fake import FakeEngine
from tests.support.steps import annotate
fast = FakeEngine.score
def score(self, requests):
    time.sleep(float(sys.argv[4]))
    return fast(self, requests)
FakeEngine.score = score
annotate(utterances=Path(sys.argv[1]), store=sys.argv[2], out=Path(sys.argv[3]), alm="qwen2_audio", engine="fake",
         shard=2, votes=2)
"""


def slow_run(utterances: Path, store: Path, out: Path, seconds: float) -> subprocess.Popen:
    """The step in a process of its own, with an engine that takes ``seconds`` a shard."""
    command = [sys.executable, "-c", SLOW, str(utterances), str(store), str(out), str(seconds)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], env=os.environ | {"OMP_NUM_THREADS": "1"})


def shards(store: Path) -> int:
    return len(list(store.rglob("[!.]*.parquet")))


def test_killed_in_the_middle_the_same_command_goes_on(make_utterances, run, tmp_path):
    utterances = make_utterances(24)
    whole = run(utterances, "whole", store=str(tmp_path / "untouched"), shard=2, votes=2)
    store = tmp_path / "killed"
    process = slow_run(utterances, store, tmp_path / "out", 0.4)
    while shards(store) < 3 and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stored = shards(store)
    assert 3 <= stored < shards(tmp_path / "untouched") and not (tmp_path / "out").exists()
    out = run(utterances, store=str(store), shard=2, votes=2)
    for name in ("annotations.parquet", "votes.parquet", "checks.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    # What was stored before the kill was not computed again.
    assert asked() < 2 * sum(pl.read_parquet(f).height for f in (tmp_path / "untouched").rglob("*.parquet"))


def test_two_runs_on_one_store_at_once(make_utterances, run, tmp_path):
    utterances = make_utterances(12)
    whole = run(utterances, "whole", store=str(tmp_path / "untouched"), shard=2, votes=2)
    outs = [tmp_path / "a", tmp_path / "b"]
    both = [slow_run(utterances, tmp_path / "shared", out, 0.2) for out in outs]
    assert [process.wait() for process in both] == [0, 0]
    for out in outs:
        assert (out / "annotations.parquet").read_bytes() == (whole / "annotations.parquet").read_bytes()
