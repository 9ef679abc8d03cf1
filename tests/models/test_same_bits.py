"""What is computed from recordings has the same bits for any number of threads and whatever other recordings there are."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.decoding import decode_many
from ambivox.models.audio.probing import probe
from ambivox.models.augmentation import feature_cache
from ambivox.models.tables import Utterances
from tests.support.annotation_fixtures import LABELS, utterance_row, write_clip

COUNT = 7
DAMAGED = 3
quick = settings(max_examples=6, deadline=None)
workers = st.integers(1, 9)
some = st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=COUNT, unique=True)


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> Utterances:
    """Clips of several lengths and rates, one of them damaged."""
    folder, rows = tmp_path_factory.mktemp("clips"), []
    for number in range(COUNT):
        path, seconds = folder / f"{number}.wav", 0.2 + 0.1 * number
        write_clip(path, number, seconds)
        if number == DAMAGED:
            path.write_bytes(path.read_bytes()[:20])
        rows.append(utterance_row(path, number, seconds))
    return Utterances.check(pl.DataFrame(rows), LABELS)


def test_the_clips_differ_and_one_is_damaged(utterances: Utterances) -> None:
    assert utterances.frame["audio_sha256"].n_unique() == COUNT
    assert (
        probe(utterances.frame["audio"].to_list())["problem"].is_not_null().to_list().index(True) == DAMAGED
    )


@quick
@given(chosen=some, count=workers)
def test_probing(utterances: Utterances, chosen: list[int], count: int) -> None:
    everything = probe(utterances.frame["audio"].to_list(), workers=1)
    assert probe(utterances.frame["audio"][chosen].to_list(), workers=count).equals(everything[chosen])


@quick
@given(chosen=some, count=workers, ahead=st.integers(1, 9))
def test_decoding(utterances: Utterances, chosen: list[int], count: int, ahead: int) -> None:
    def decoded(numbers: list[int], threads: int, waiting: int) -> dict[int, str]:
        audio = utterances.frame["audio"][numbers].to_list()
        results = decode_many(audio, workers=threads, ahead=waiting)
        return {
            numbers[index]: str(each) if isinstance(each, AudioError) else hashlib.sha256(each).hexdigest()
            for index, each in results
        }

    everything = decoded(list(range(COUNT)), 1, 1)
    assert decoded(chosen, count, ahead) == {number: everything[number] for number in chosen}


@quick
@given(chosen=some, count=workers)
def test_features(utterances: Utterances, chosen: list[int], count: int) -> None:
    def features(table: Utterances, threads: int) -> tuple[np.ndarray, dict[str, str]]:
        return feature_cache.cached_acoustic_features(table, None, threads)

    everything_NF, reasons = features(utterances, 1)
    part = Utterances.check(utterances.frame[chosen], utterances.labels)
    found_NF, found_reasons = features(part, count)
    np.testing.assert_array_equal(found_NF, everything_NF[chosen])
    assert found_reasons == {
        name: text for name, text in reasons.items() if name in set(part.frame["utterance_id"])
    }
    assert len(reasons) == 1
