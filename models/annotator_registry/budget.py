"""What a hosted ALM may cost, and the choice between ALMs that are equally good but not equally dear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ambivox.models.annotator_registry.ledger import Entry
from ambivox.models.annotator_registry.models_source import PREFIX
from ambivox.models.counted import counted


@dataclass(frozen=True)
class Budget:
    """Limits for a hosted ALM that is to annotate a corpus.

    Attributes:
        utterances: How many utterances the corpus has.
        max_cost: US dollars that annotating the corpus may cost.
        max_usd_per_vote: US dollars that an equivalent vote may cost, such as what a human vote costs; None without a
            limit.
    """

    utterances: int
    max_cost: float
    max_usd_per_vote: float | None = None

    def objections(self, usd_per_utterance: float, equivalent_votes: float) -> list[str]:
        """Why a hosted ALM is too dear; empty where it is not.

        Args:
            usd_per_utterance: What its pilot cost per utterance.
            equivalent_votes: Human votes that its answers about an utterance count for.

        Example:
            >>> Budget(1000, 5.0, 0.05).objections(0.02, 0.2)
            ['annotating 1,000 utterances would cost about 20.00 USD, more than the 5 USD of annotate.max_cost', \
'an equivalent vote costs 0.1000 USD, more than the 0.05 USD of max_usd_per_vote']
        """
        reasons = []
        expected = usd_per_utterance * self.utterances
        if expected > self.max_cost:
            reasons.append(
                f"annotating {counted(self.utterances, 'utterance')} would cost about {expected:.2f} USD, more than the "
                f"{self.max_cost:g} USD of annotate.max_cost"
            )
        limit = self.max_usd_per_vote
        if limit is not None and usd_per_utterance > limit * equivalent_votes:
            price = (
                f"{usd_per_utterance / equivalent_votes:.4f} USD"
                if equivalent_votes
                else "any money for nothing"
            )
            reasons.append(
                f"an equivalent vote costs {price}, more than the {limit:g} USD of max_usd_per_vote"
            )
        return reasons


def cheapest(entries: Sequence[Entry], margin: float) -> Entry | None:
    """The one to choose among ALMs that are all better than the annotator in use; None where there are none.

    Those whose nll is above the lowest by less than ``margin`` count as equally good. Of these, the one whose equivalent
    votes are cheapest is chosen; an ALM that runs here costs nothing, and a hosted one whose prices are not known comes last.
    Between equals the lowest nll decides.

    Args:
        entries: Their ledger entries.
        margin: The gain in nll (nats per vote) that counts.
    """
    lowest = min((entry.nll or 0.0 for entry in entries), default=0.0)
    close = [
        entry for entry in entries if (entry.nll or 0.0) <= lowest or (entry.nll or 0.0) < lowest + margin
    ]
    return min(close, key=lambda entry: (_usd_per_vote(entry), entry.nll or 0.0), default=None)


def _usd_per_vote(entry: Entry) -> float:
    if entry.cost_usd is None:  # it ran here, or its provider's prices are not known
        return float("inf") if entry.source.startswith(PREFIX) else 0.0
    if not entry.cost_usd:
        return 0.0
    return 1 / entry.votes_per_dollar if entry.votes_per_dollar else float("inf")
