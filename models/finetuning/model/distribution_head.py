"""The distribution head and its loss (arXiv 2601.14620, fine-tuning).

    attend    8-head self-attention over the hidden states, read at one position: the last real token
    project   x + GELU(dropout(Linear(LayerNorm(x))))                   d -> d,   dropout 0.15
    narrow    GELU(dropout(Linear(LayerNorm(x))))                       d -> d/2, dropout 0.1
    answer    softmax(Linear(LayerNorm(x)))                             d/2 -> K

    loss      JS(target, prediction) in nats + 0.08 x H(prediction) in nats; or cross-entropy instead of JS

The last real token is found from the mask, so padding on either side changes nothing. Only its row of the
self-attention is computed, which is the same number for a T-th of the work.

Beyond the paper: ``centre`` and ``scale`` standardise the hidden states that come in. They are 0 and 1 unless
``standardise`` is called: language models carry a few huge, constant dimensions in every token. And with
``from_answer`` the head corrects what the ALM itself would answer, instead of starting from nothing: the logits of
the answer codes are added, times a learned gain, and the last layer starts at zero. A hundred utterances are
enough to correct an answer, but not to learn one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ambivox.models.finetuning.settings import Loss

ENTROPY_WEIGHT = 0.08


class DistributionHead(nn.Module):
    """Hidden states of a language model in, log-probabilities over K labels out; float32 whatever comes in."""

    def __init__(self, width: int, labels: int, heads: int = 8, from_answer: bool = False) -> None:
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
        """Take hidden states as deviations from ``mean_D`` in units of ``deviation_D`` (never less than a
        thousandth of the median one, so that a constant dimension stays one).
        """
        self.centre.copy_(mean_D)
        self.scale.copy_(deviation_D.clamp_min(max(1e-3 * float(deviation_D.median()), 1e-6)))

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor, answer_BK: Tensor | None = None) -> Tensor:
        """``log_p_BK``.

        Args:
            hidden_BTD: hidden states, any floating type.
            mask_BT: 1 for tokens, 0 for padding, on either side; at least one token a row.
            answer_BK: the ALM's own logits of the answer codes, in the labels' order, for a head ``from_answer``.
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
            assert answer_BK is not None, "a head that starts from the ALM's answer needs that answer"
            logits_BK = logits_BK + self.gain * answer_BK.float()
        return logits_BK.log_softmax(dim=-1)


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


def distribution_loss(
    p_BK: Tensor, log_q_BK: Tensor, entropy_weight: float = ENTROPY_WEIGHT, loss: Loss = "js"
) -> Tensor:
    """The loss of every row in nats: ``js_nats`` (the paper's) or cross-entropy, and a little of the prediction's
    entropy, which sharpens it.

    Cross-entropy is the likelihood of the votes and is least at the distribution they were drawn from, however
    few they are. JS is not: on the shares of few votes it is least at a sharper one.
    """
    apart_B = js_nats(p_BK, log_q_BK) if loss == "js" else -(p_BK * log_q_BK).sum(dim=-1)
    entropy_B = -(log_q_BK.exp() * log_q_BK).sum(dim=-1)
    return apart_B + entropy_weight * entropy_B
