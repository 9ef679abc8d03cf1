"""The corpus of tones and the random ALM of the tests of fine-tuning."""

from tests.models.finetuning.conftest import augmented, backbone, folder, random_alm, tones

__all__ = ["augmented", "backbone", "folder", "random_alm", "tones"]
