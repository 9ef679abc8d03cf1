"""Which dimensions of the residual stream hold which value of models/embedded_alm/lookup_language_model.py."""

from __future__ import annotations

from dataclasses import dataclass

from ambivox.models.embedded_alm.architecture import HEAD_WIDTH

LOOKUP_HEADS = 3  # attention heads that the look-up needs in layer 1
_FREE_DIMENSIONS = 24  # at least so many dimensions and MLP units are left for training


@dataclass(frozen=True)
class LanguageModelLayout:
    """Dimensions of a token, for K labels and the K letters of their options."""

    label_count: int

    constant = 0  # a large constant
    is_audio = 1  # 1 for frames of audio
    is_label = 2  # 1 for the token of a label
    is_option = 3  # 1 for a label that a letter precedes, after layer 1
    opens_options = 4  # 1 for the word before the options
    is_after_opening = 5  # positive for tokens after that word, after layer 1's attention

    @property
    def logit(self) -> slice:
        """Logits of one frame of audio (K)."""
        return slice(6, 6 + self.label_count)

    @property
    def mean_logit(self) -> slice:
        """Mean of ``logit`` over the audio (K)."""
        return self._after(self.logit)

    @property
    def label(self) -> slice:
        """One-hot code of the label that the token is (K)."""
        return self._after(self.mean_logit)

    @property
    def letter(self) -> slice:
        """One-hot code of the letter that the token is (K)."""
        return self._after(self.label)

    @property
    def preceding_letter(self) -> slice:
        """One-hot code of the letter two tokens before (K)."""
        return self._after(self.letter)

    @property
    def letter_logit(self) -> slice:
        """Logit of the label behind each letter (K)."""
        return self._after(self.preceding_letter)

    @property
    def used(self) -> int:
        """The number of dimensions in use."""
        return self.letter_logit.stop

    def _after(self, previous: slice) -> slice:
        return slice(previous.stop, previous.stop + self.label_count)


def text_width_for(label_count: int) -> int:
    """The least hidden size of the language model for the layout: a multiple of HEAD_WIDTH."""
    heads = -(-(LanguageModelLayout(label_count).used + _FREE_DIMENSIONS) // HEAD_WIDTH)
    return max(LOOKUP_HEADS, heads) * HEAD_WIDTH


def text_inner_for(label_count: int) -> int:
    """The least width of its MLPs: one unit per pair of label and letter, one more, and free units."""
    return -(-(label_count**2 + 1 + _FREE_DIMENSIONS) // HEAD_WIDTH) * HEAD_WIDTH
