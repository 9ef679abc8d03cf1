"""The loss between target and predicted distributions (arXiv 2601.14620, fine-tuning)."""

from __future__ import annotations

import torch
from torch import Tensor

from ambivox.models.finetuning.settings import Loss

ENTROPY_WEIGHT = 0.08


def js_nats(p_BK: Tensor, log_q_BK: Tensor) -> Tensor:
    """Jensen-Shannon divergence of each row, from 0 to ln 2 nats; differentiable in ``log_q_BK``.

    Args:
        p_BK: Distributions.
        log_q_BK: Logarithms of distributions.

    Returns:
        ``js_B``.
    """
    q_BK = log_q_BK.exp()
    smallest = torch.finfo(q_BK.dtype).tiny
    log_m_BK = (0.5 * (p_BK + q_BK)).clamp_min(smallest).log()
    kl_p_BK = p_BK * (p_BK.clamp_min(smallest).log() - log_m_BK)
    kl_q_BK = q_BK * (log_q_BK - log_m_BK)
    return 0.5 * (kl_p_BK + kl_q_BK).sum(dim=-1)


def distribution_loss(
    p_BK: Tensor, log_q_BK: Tensor, entropy_weight: float = ENTROPY_WEIGHT, loss: Loss = "js"
) -> Tensor:
    """Loss of each row: JS(p, q) + w H(q) in nats (the paper's), or cross-entropy instead of JS.

    Cross-entropy is the negative log-likelihood of the votes. Its expectation is smallest at the distribution that the
    votes were drawn from, however few they are. The minimum of JS to the shares of few votes is at a sharper
    distribution.

    Args:
        p_BK: Target distributions.
        log_q_BK: Logarithms of the predicted distributions.
        entropy_weight: The weight w of the prediction's entropy, which sharpens the prediction.
        loss: JS or cross-entropy.

    Returns:
        ``loss_B``.
    """
    divergence_B = js_nats(p_BK, log_q_BK) if loss == "js" else -(p_BK * log_q_BK).sum(dim=-1)
    entropy_B = -(log_q_BK.exp() * log_q_BK).sum(dim=-1)
    return divergence_B + entropy_weight * entropy_B
