"""No speaker in two splits, whatever the sizes; shares are met; official splits stay."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambivox.models.errors import UserError
from ambivox.models.ingestion.splits import assign_splits, check_shares, draw_splits, split_overlap
from ambivox.models.tables import SPLITS


def table(speakers: list[str | None], splits: list[str | None] | None = None) -> pl.DataFrame:
    """Utterances u0, u1, ... of these speakers."""
    return pl.DataFrame(
        {
            "utterance_id": [f"u{n}" for n in range(len(speakers))],
            "speaker": speakers,
            "split": splits or [None] * len(speakers),
        },
        schema={"utterance_id": pl.String, "speaker": pl.String, "split": pl.String},
    )


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=4, max_size=60),
    unknown=st.integers(0, 5),
    seed=st.integers(0, 1000),
    shares=st.sampled_from(
        [(0.6, 0.15, 0.05, 0.2), (0.0, 0.7, 0.1, 0.2), (0.0, 0.8, 0.0, 0.2), (0.25, 0.25, 0.25, 0.25)]
    ),
)
def test_drawn_splits_never_share_a_speaker(
    sizes: list[int], unknown: int, seed: int, shares: tuple[float, float, float, float]
) -> None:
    frame = table([f"s{n}" for n, size in enumerate(sizes) for _ in range(size)] + [None] * unknown)
    done = frame.with_columns(draw_splits(frame, shares, seed))
    assert split_overlap(done)["speakers"] == 0
    assert split_overlap(done)["unknown_other"] == 0
    known = done.filter(pl.col("speaker").is_not_null())
    assert set(known["split"]) == {split for split, share in zip(SPLITS, shares, strict=True) if share}
    # No split is further from its share than the largest speakers allow.
    for split, share in zip(SPLITS, shares, strict=True):
        count = known.filter(split=split).height
        assert abs(count - share * known.height) <= 3 * max(sizes)


def test_seventy_six_equal_speakers_meet_the_shares_and_the_seed_decides_who() -> None:
    frame = table([f"s{n % 76}" for n in range(7600)])
    first, again, other = (draw_splits(frame, (0.6, 0.15, 0.05, 0.2), seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)
    assert dict(first.value_counts().iter_rows()) == {
        "pretrain": 4600,
        "train": 1100,
        "development": 400,
        "test": 1500,
    }


def test_the_order_of_rows_does_not_matter() -> None:
    frame = table([f"s{n % 9}" for n in range(90)])
    shuffled = frame.sample(fraction=1, shuffle=True, seed=3)
    split_of = dict(zip(frame["speaker"], draw_splits(frame, (0, 0.5, 0, 0.5), 5), strict=True))
    assert split_of == dict(zip(shuffled["speaker"], draw_splits(shuffled, (0, 0.5, 0, 0.5), 5), strict=True))


def test_alone_takes_each_unknown_for_a_speaker_of_its_own() -> None:
    frame = table([None] * 40)
    assert set(draw_splits(frame, (0, 0.5, 0, 0.5), 0)) == {"train"}
    assert set(draw_splits(frame, (0, 0.5, 0, 0.5), 0, "alone")) == {"train", "test"}


def test_official_splits_stay_and_pretraining_is_taken_from_train_by_speaker() -> None:
    speakers = [f"s{n // 10}" for n in range(100)]
    frame = table(speakers, ["train"] * 60 + ["development"] * 20 + ["test"] * 20)
    assert assign_splits(frame, None, 0).equals(frame)
    assert assign_splits(frame, (0, 0.7, 0.1, 0.2), 0).equals(frame)
    taken = assign_splits(frame, (0.5, 0.25, 0.05, 0.2), 0)
    assert taken.filter(pl.col("split") == "pretrain").height == 40
    assert split_overlap(taken)["speakers"] == 0
    assert taken.filter(pl.col("split") == "test").equals(frame.filter(pl.col("split") == "test"))


def test_a_speaker_with_an_official_split_somewhere_stays_in_it() -> None:
    frame = table(["a", "a", "b", "c", "d", None], ["test", None, None, None, None, None])
    done = assign_splits(frame, (0, 0.6, 0.2, 0.2), 0)
    assert done["split"].to_list()[:2] == ["test", "test"]
    assert set(done["split"].to_list()[2:5]) == {"train", "development"}
    assert done["split"].to_list()[5] == "train"


def test_published_splits_that_share_speakers_are_counted() -> None:
    frame = table(["a", "a", None, None], ["train", "test", "train", "test"])
    assert split_overlap(frame) == {"speakers": 1, "unknown_train": 1, "unknown_other": 1}


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ((0.5, 0.5), "0.5 0.5"),
        ((0.5, 0.5, 0.5, 0.5), "0.5 0.5 0.5 0.5"),
        ((-0.5, 0.5, 0.5, 0.5), "-0.5 0.5 0.5 0.5"),
        ((float("nan"), 1, 0, 0), "nan 1 0 0"),
        ((), ""),
    ],
)
def test_wrong_shares(shares: tuple[float, ...], text: str) -> None:
    with pytest.raises(UserError, match="expected four numbers from 0 to 1 that sum to 1") as caught:
        check_shares(shares)
    assert str(caught.value).startswith(f"shares {text}: ")


def test_shares_may_come_from_yaml() -> None:
    assert check_shares([0, 0.7, 0.1, 0.2]) == (0.0, 0.7, 0.1, 0.2)
    assert check_shares((0.6, 0.15, 0.05, 0.2)) == (0.6, 0.15, 0.05, 0.2)


def test_too_few_speakers() -> None:
    with pytest.raises(UserError, match="3 known speakers cannot fill 4 splits"):
        draw_splits(table(["a", "b", "c"]), (0.25, 0.25, 0.25, 0.25), 0)
