"""Audio states: those of the full 30 s window, computed once, and as features of DiME-Aug."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ambivox.models.alm_backbones.audio_states import AudioStates, file_loader  # noqa: E402
from ambivox.models.audio.decoding import decode  # noqa: E402
from ambivox.models.statistics.dominant_emotion import dominance  # noqa: E402
from ambivox.models.tables import Distributions, Utterances  # noqa: E402
from tests.support.steps import augment  # noqa: E402


def test_the_short_window_gives_the_states_of_the_full_30_seconds(tones, backbone) -> None:
    utterances = Utterances.read(tones.utterances).frame.head(5)
    recordings = [decode(audio) for audio in utterances["audio"]]
    for recording, states in zip(recordings, backbone.audio_states(recordings), strict=True):
        full = backbone.processor.feature_extractor(
            recording,
            sampling_rate=16_000,
            return_attention_mask=True,
            return_tensors="pt",
            padding="max_length",
        )
        valid, tokens = backbone.architecture.lengths(full["attention_mask"].sum(-1))
        assert len(states) == int(tokens[0])
        mask = backbone.architecture.tower_mask(valid, 1500)
        with torch.no_grad():
            expected = backbone.model.model.audio_tower(
                full["input_features"], attention_mask=mask
            ).last_hidden_state
        np.testing.assert_allclose(states, expected[0, : len(states)], atol=2e-5)


def test_the_towers_states_are_computed_once(tones, backbone, tmp_path) -> None:
    train = Utterances.read(tones.utterances).in_splits("train").frame
    keys = train["audio_sha256"]
    first = AudioStates(backbone, tmp_path)
    first.add(keys, file_loader(dict(train.select("audio_sha256", "audio").iter_rows())))

    def refuse(missing):
        raise AssertionError(f"{len(missing)} recordings were decoded again")

    second = AudioStates(backbone, tmp_path)
    second.add(keys, refuse)
    assert second[keys[0]].shape[1] == 32
    assert all(torch.equal(first[key], second[key]) for key in keys)


def test_neighbours_by_the_alms_audio_states(tones, random_alm, backbone, folder) -> None:
    out = augment(
        utterances=tones.utterances,
        distributions=tones.human,
        out=folder / "by-alm",
        ratio=0.6,
        features="alm",
        alm=random_alm,
    )
    samples = Utterances.read(out / "utterances.parquet").frame
    train = Utterances.read(tones.utterances).in_splits("train").frame
    states = [backbone.audio_states([decode(audio)])[0] for audio in train["audio"]]
    means_NF = np.stack([state.mean(dim=0).numpy() for state in states])
    standard_NF = (means_NF - means_NF.mean(0)) / means_NF.std(0)
    human = Distributions.read(tones.human)
    members_NK = dominance(human.aligned(train["utterance_id"])) > 0
    row_of = {name: row for row, name in enumerate(train["utterance_id"])}
    assert samples.height > 5
    for sample in samples.iter_rows(named=True):
        first = row_of[sample["parent_first"]]
        in_class_N = members_NK[:, human.labels.index(sample["mixed_class"])]
        assert in_class_N[first]
        same_class = [row for row in np.flatnonzero(in_class_N) if row != first]
        nearest = sorted(same_class, key=lambda row: np.linalg.norm(standard_NF[row] - standard_NF[first]))
        assert nearest[sample["neighbour_rank"] - 1] == row_of[sample["parent_second"]]
