"""Qwen2-Audio-7B's architecture on a GPU: random weights in bfloat16, with LoRA and head trained for a few steps.

No checkpoint is downloaded. Run on a machine with a GPU: pytest -m gpu tests/models/finetuning/test_gpu.py
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="gpu: there is no CUDA device here"),
]


@pytest.fixture(scope="module")
def measured():
    """Twelve steps on batches of 8 utterances of 3 to 12 s, measured after two steps of warm-up."""
    from benchmarks.gpu import measure

    return measure(steps=12, batch=8, seconds=(3.0, 12.0), gradient_checkpointing=False)


def test_the_architecture_is_that_of_the_7b_model(measured) -> None:
    assert 8.0e9 < measured.parameters < 8.8e9
    assert measured.adapted == 32 * 4


def test_loss_is_finite_and_falls_on_a_batch_seen_again(measured) -> None:
    assert all(loss == loss and loss < 2 for loss in measured.losses)
    assert measured.losses[-1] < measured.losses[0]


def test_it_fits_and_uses_the_gpu(measured) -> None:
    assert measured.peak_gib < 60
    assert measured.samples_per_second > 1
    assert 0.02 < measured.share_of_peak < 1


def test_batch_equals_single_in_bfloat16(measured) -> None:
    assert measured.batch_difference < 5e-2


def test_audio_reaches_the_model(measured) -> None:
    assert measured.gradient > 0
    assert measured.change > 1e-7


def test_gradient_checkpointing_saves_memory(measured) -> None:
    from benchmarks.gpu import measure

    torch.cuda.empty_cache()
    assert (
        measure(steps=3, batch=8, seconds=(3.0, 12.0), gradient_checkpointing=True).peak_gib
        < measured.peak_gib
    )
