"""Work items: keys and the store's space keep their values across versions, and shards depend on the items only."""

from __future__ import annotations

import polars as pl
import pytest

from ambivox.models.alms import resolve
from ambivox.models.annotation.elicitation import plan_questions
from ambivox.models.annotation.vote_store import VoteStore
from ambivox.models.annotation.work_items import plan_items, split_into_shards, store_space
from ambivox.models.prompting.personas import load_personas
from ambivox.models.prompting.prompts import prompt_version
from ambivox.models.tables import Utterances
from tests.support.annotation_fixtures import LABELS


def utterances(count: int = 1) -> Utterances:
    rows = [
        {
            "utterance_id": f"u{number:04d}",
            "corpus": "tones",
            "audio": f"{number}.wav",
            "audio_sha256": f"{0xAB + number % 3:02x}" * 32,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16_000,
            "split": "train",
            "transcript": "it's eleven o'clock",
            "speaker": "s1",
        }
        for number in range(count)
    ]
    return Utterances.check(pl.DataFrame(rows), LABELS)


def questions(elicitation="exact", modality="both", votes=0):
    personas = load_personas(("tone",))
    return plan_questions(
        LABELS, personas, elicitation=elicitation, orders=2, modality=modality, votes=votes, seed=7
    )


# Computed with version 0.1.0. Other values would make every vote store useless.
@pytest.mark.parametrize(
    ("elicitation", "modality", "votes", "key", "prompt_sha256", "draw_seed"),
    [
        (
            "exact",
            "both",
            0,
            "9f39102d1f2ebbadf2309615b6625e6f",
            "4a80360915c819707bf7ae70732aeb2f356475dfdf73b151b777f3ed6afd827e",
            1528718296,
        ),
        (
            "exact",
            "audio",
            0,
            "81461c8febf6b3472c53228dc0366ea4",
            "0244bffb2c745fe45c6f9e7cf410a0bbcf87854625b759f5722f9e6babfbda01",
            1528718296,
        ),
        (
            "exact",
            "transcript",
            0,
            "e40dc7e4d1d333333b76a00931b31d94",
            "4cca3c9d5b5a0c1fbb38288ca1036701d2445e0d421a5e735606b9bf7fa335db",
            1528718296,
        ),
        (
            "sampled",
            "both",
            3,
            "14ed4590ade3470d52e730b6f94a068e",
            "d465d16f625b83543d84d9d81f83f8f886eff47bbf0e2d7e83ab71d3168d6dd0",
            337771338,
        ),
        (
            "verbalised",
            "both",
            0,
            "20e370223e4bca755ebd33d92b049fb7",
            "dcdc05de578f2841f89ad27fffef159286ddd74e803ba67fb888f07b01e3a35d",
            1528718296,
        ),
    ],
)
def test_keys_and_prompt_hashes_never_change(elicitation, modality, votes, key, prompt_sha256, draw_seed):
    planned = questions(elicitation, modality, votes)
    assert plan_items(utterances(), planned)["key"].to_list()[-1] == key
    assert planned[-1].prompt.sha256() == prompt_sha256
    assert planned[-1].draw_seed("k") == draw_seed


def test_the_space_of_the_store_never_changes(tmp_path):
    space = store_space(resolve("qwen2_audio"), "fake 1")
    assert space == {
        "alm": "qwen2_audio",
        "revision": "0a095220c30b7b31434169c3086508ef3ea5bf0a",
        "engine": "fake 1",
        "prompts": "01608f73f032",
        "longest_seconds": 30.0,
        "rate_hz": 16_000,
        "answers": 2,
        "processor_class": "AutoProcessor",
        "transformers_class": "Qwen2AudioForConditionalGeneration",
        "chat_arguments": {},
        "engine_identity": {},
    }
    assert prompt_version() == "01608f73f032"
    assert VoteStore(str(tmp_path), space).name == "96564777ccd17d7b"


def test_shards_keep_the_items_of_a_clip_together_and_each_key_once():
    items = plan_items(utterances(7), questions())
    shards = split_into_shards(items, 2)
    assert [shard["audio_sha256"].n_unique() for shard in shards] == [2, 1]
    together = pl.concat(shards)
    assert together["key"].is_unique().all()
    assert set(together["key"]) == set(items["key"])
    for shard in shards:
        assert shard["audio_sha256"].rle().len() == shard["audio_sha256"].n_unique()
    assert split_into_shards(items.clear(), 2) == []
