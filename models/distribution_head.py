"""The distribution head and its loss (arXiv 2601.14620, fine-tuning).

    attend    8-head self-attention over the hidden states, read at one position: the last real token
    project   x + GELU(dropout(Linear(LayerNorm(x))))                   d -> d,   dropout 0.15
    narrow    GELU(dropout(Linear(LayerNorm(x))))                       d -> d/2, dropout 0.1
    answer    softmax(Linear(LayerNorm(x)))                             d/2 -> K

    loss      JS(target, prediction) in nats + 0.08 x H(prediction) in nats

The last real token is found from the mask, so padding on either side changes nothing. Only its row of the
self-attention is computed, which is the same number for a T-th of the work.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ENTROPY_WEIGHT = 0.08


class DistributionHead(nn.Module):
    """Hidden states of a language model in, log-probabilities over K labels out; float32 whatever comes in."""

    def __init__(self, width: int, labels: int, heads: int = 8) -> None:
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
        self.answer = nn.Sequential(nn.LayerNorm(width // 2), nn.Linear(width // 2, labels))

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """``log_p_BK``.

        Args:
            hidden_BTD: hidden states, any floating type.
            mask_BT: 1 for tokens, 0 for padding, on either side; at least one token a row.
        """
        hidden_BTD = hidden_BTD.float()
        row_B = torch.arange(len(hidden_BTD), device=hidden_BTD.device)
        query_B1D = hidden_BTD[row_B, last_token(mask_BT)].unsqueeze(1)
        pooled_B1D, _ = self.attention(
            query_B1D, hidden_BTD, hidden_BTD, key_padding_mask=mask_BT == 0, need_weights=False
        )
        pooled_BD = pooled_B1D.squeeze(1)
        answer_BK: Tensor = self.answer(self.narrow(pooled_BD + self.project(pooled_BD)))
        return answer_BK.log_softmax(dim=-1)


def last_token(mask_BT: Tensor) -> Tensor:
    """The position of each row's last 1."""
    position_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    return (mask_BT.long() * (position_T + 1)).argmax(dim=1)


def js_nats(p_BK: Tensor, log_q_BK: Tensor) -> Tensor:
    """Jensen-Shannon divergence of every row in nats, from 0 to ln 2; gradients flow into ``log_q_BK``."""
    q_BK = log_q_BK.exp()
    smallest = torch.finfo(q_BK.dtype).tiny
    log_m_BK = (0.5 * (p_BK + q_BK)).clamp_min(smallest).log()
    kl_p_BK = p_BK * (p_BK.clamp_min(smallest).log() - log_m_BK)
    kl_q_BK = q_BK * (log_q_BK - log_m_BK)
    return 0.5 * (kl_p_BK + kl_q_BK).sum(dim=-1)


def distribution_loss(p_BK: Tensor, log_q_BK: Tensor, entropy_weight: float = ENTROPY_WEIGHT) -> Tensor:
    """The paper's loss of every row: ``js_nats`` and a little of the prediction's entropy, which sharpens it."""
    entropy_B = -(log_q_BK.exp() * log_q_BK).sum(dim=-1)
    return js_nats(p_BK, log_q_BK) + entropy_weight * entropy_B
