"""The distribution head (arXiv 2601.14620, fine-tuning).

    attend    8-head self-attention over the hidden states, read at one position: the last real token
    project   x + GELU(dropout(Linear(LayerNorm(x))))                   d -> d,   dropout 0.15
    narrow    GELU(dropout(Linear(LayerNorm(x))))                       d -> d/2, dropout 0.1
    answer    softmax(Linear(LayerNorm(x)))                             d/2 -> K

The last real token is found from the mask, so padding on either side changes nothing. Only its row of the
self-attention is computed, which gives the same result for 1/T of the work.

Two options go beyond the paper. ``standardise`` sets ``centre`` and ``scale`` (0 and 1 otherwise), which standardise
the hidden states: in language models a few dimensions have huge, nearly constant values in every token. With
``from_answer`` the head corrects the ALM's own answer: the logits of the answer codes, times a learned gain, are added,
and the last layer starts at zero. A hundred utterances are enough to correct an answer, but not to learn one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DistributionHead(nn.Module):
    """Hidden states of a language model to log-probabilities of K labels, computed in float32."""

    def __init__(self, width: int, labels: int, heads: int = 8, from_answer: bool = False) -> None:
        """Build the head with random weights.

        Args:
            width: Width of the hidden states.
            labels: K.
            heads: Attention heads.
            from_answer: Whether the head corrects the ALM's own answer.

        Raises:
            ValueError: ``width`` is not a multiple of ``heads``.
        """
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be divided among {heads} attention heads")
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.project = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.Dropout(0.15), nn.GELU()
        )
        self.narrow = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width // 2), nn.Dropout(0.1), nn.GELU()
        )
        last = nn.Linear(width // 2, labels)
        self.answer = nn.Sequential(nn.LayerNorm(width // 2), last)
        self.gain = nn.Parameter(torch.ones(1)) if from_answer else None
        if from_answer:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def standardise(self, mean_D: Tensor, deviation_D: Tensor) -> None:
        """Standardise hidden states from now on.

        Args:
            mean_D: Mean per dimension.
            deviation_D: Standard deviation per dimension. Values below a thousandth of the median are raised to it, so
                that a constant dimension stays constant.
        """
        self.centre.copy_(mean_D)
        self.scale.copy_(deviation_D.clamp_min(max(1e-3 * float(deviation_D.median()), 1e-6)))

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor, code_logits_BK: Tensor | None = None) -> Tensor:
        """Compute ``log_p_BK``.

        Args:
            hidden_BTD: Hidden states, of any floating type.
            mask_BT: 1 for tokens, 0 for padding, on either side; at least one token per row.
            code_logits_BK: The ALM's logits of the answer codes in the labels' order, for a head ``from_answer``.
        """
        hidden_BTD = (hidden_BTD.float() - self.centre) / self.scale
        row_B = torch.arange(len(hidden_BTD), device=hidden_BTD.device)
        query_B1D = hidden_BTD[row_B, last_token(mask_BT)].unsqueeze(1)
        pooled_B1D, _ = self.attention(
            query_B1D, hidden_BTD, hidden_BTD, key_padding_mask=mask_BT == 0, need_weights=False
        )
        pooled_BD = pooled_B1D.squeeze(1)
        logits_BK: Tensor = self.answer(self.narrow(pooled_BD + self.project(pooled_BD)))
        if self.gain is not None:
            assert code_logits_BK is not None, "a head that corrects the ALM's answer needs its logits"
            logits_BK = logits_BK + self.gain * code_logits_BK.float()
        return logits_BK.log_softmax(dim=-1)


def last_token(mask_BT: Tensor) -> Tensor:
    """The position of each row's last 1, ``position_B``."""
    position_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    return (mask_BT.long() * (position_T + 1)).argmax(dim=1)
