"""The limits of BLAS and of torch to one thread: while they last, and with the same results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from ambivox.models.embedded_alm.architecture import build_feature_extractor
from ambivox.models.embedded_alm.mel_spectrograms import MARGIN_FRAMES, spectrogram
from ambivox.models.parallel import one_blas_thread, one_torch_thread
from ambivox.models.pooling import calibration, mixture_fit
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_has_one_thread_while_the_context_lasts() -> None:
    with threadpool_limits(2, "blas"):
        with one_blas_thread():
            inside = blas_threads()
        outside = blas_threads()
    assert inside == [1] * len(outside)
    assert max(outside) == 2


def test_a_fit_uses_one_blas_thread_and_gives_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    q_NK = rng.dirichlet(np.ones(3), 120)
    n_NK = np.stack([rng.multinomial(4, q_K) for q_K in q_NK]).astype(float)
    inputs = PoolingInputs(n_NK, q_NK[:, None], np.ones((120, 1)), np.arange(120) % 10)
    threads: list[int] = []
    minimize = calibration.minimize

    def recorded(*arguments: Any, **options: Any) -> Any:
        threads.extend(blas_threads())
        return minimize(*arguments, **options)

    for module in (calibration, mixture_fit):
        monkeypatch.setattr(module, "minimize", recorded)
    models = []
    for limit in (1, 2):
        with threadpool_limits(limit, "blas"):
            models.append(fit_pooling(("a", "b", "c"), ["alm"], inputs, np.full(120, 3.0)))
    assert threads and set(threads) == {1}
    first, second = models
    assert first.beside_alms.alpha_ZK.tobytes() == second.beside_alms.alpha_ZK.tobytes()
    assert first.alms[0].calibration.matrix_KK.tobytes() == second.alms[0].calibration.matrix_KK.tobytes()


def test_torch_has_one_thread_while_the_context_lasts() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="stops"), one_torch_thread():
            inside = torch.get_num_threads()
            raise ValueError("stops")
        assert (inside, torch.get_num_threads()) == (1, 2)
    finally:
        torch.set_num_threads(before)


def test_a_spectrogram_is_made_by_one_thread_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = build_feature_extractor(80)
    samples = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    padded = np.pad(samples, (0, MARGIN_FRAMES * 160))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with_two = extractor(padded, sampling_rate=16_000, padding="do_not_pad", return_tensors="np")
        threads: list[int] = []
        stft = torch.stft
        monkeypatch.setattr(
            torch,
            "stft",
            lambda *given, **named: threads.append(torch.get_num_threads()) or stft(*given, **named),
        )
        made_TM = spectrogram(extractor, samples)
    finally:
        torch.set_num_threads(before)
    assert threads == [1]
    assert made_TM.tobytes() == with_two["input_features"][0].T.astype(np.float16).tobytes()
