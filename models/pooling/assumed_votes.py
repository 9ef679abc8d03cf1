"""What an ALM's answer is assumed to count for where no utterance has two votes, and before a fit where some have.

Single votes say what theta, an utterance's distribution, is on average given the answer, but not how far it lies from
that: whether two raters of one utterance agree is never seen. So their agreement is assumed, to be what START_VOTES votes
of the corpus prior imply. An ALM cannot change how often raters agree. With theta ~ Dirichlet(k c) around its calibrated
answer c, two raters agree with probability

    (k s + 1) / (k + 1),  s = sum c^2

on average, which gives k: the better the answers predict the votes, the less is left to differ between utterances, and the
more votes they count for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ambivox.models.pooling.mixture import DirichletMixture

START_VOTES = 2.0  # of the prior, and the least of an answer
_MOST_VOTES = 10.0  # the votes that the paper draws from an ALM
_NO_VOTES = 1e-3  # of the prior beside a calibrated answer, which is shrunk to it already


def assumed_mixture(prior_K: np.ndarray, c_NK: np.ndarray) -> DirichletMixture:
    """One Dirichlet around the answer, with votes that follow from the assumed agreement.

    Args:
        prior_K: the corpus prior.
        c_NK: calibrated answers of N >= 1 utterances.

    Returns:
        The mixture; its answer counts for 2 to 10 votes.

    Examples:
        >>> weak, strong = np.full((1, 4), 0.25), np.array([[0.64, 0.16, 0.1, 0.1]])
        >>> [round(float(np.exp(assumed_mixture(weak[0], c).answer_weights_F[0])), 1) for c in (weak, strong)]
        [2.0, 10.0]
    """
    prior_agreement = float((prior_K**2).sum())
    agreement = (START_VOTES * prior_agreement + 1) / (START_VOTES + 1)
    predicted = float((c_NK**2).sum(1).mean())
    is_below = predicted < agreement
    votes = (1 - agreement) / (agreement - predicted) if is_below else _MOST_VOTES
    mixture = DirichletMixture.single(len(prior_K), float(np.clip(votes, START_VOTES, _MOST_VOTES)))
    return replace(mixture, prior_votes=_NO_VOTES)
