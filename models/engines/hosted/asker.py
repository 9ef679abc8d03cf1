"""Answers to planned requests: from the journal, or else from the endpoint, within the limit of cost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ambivox.models import token_count
from ambivox.models.engines import EngineChoice
from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.api import Api
from ambivox.models.engines.hosted.journal import Journal, Spent
from ambivox.models.engines.hosted.meter import Meter
from ambivox.models.engines.hosted.planned import Planned
from ambivox.models.engines.hosted.same_model import first_shown, is_same_model, is_snapshot
from ambivox.models.errors import UserError


class Asker:
    """Asks one hosted ALM. Threads may share an object.

    Args:
        api: the connection.
        journal: the paid answers.
        choice: the limit of cost and the model that is expected to answer.
    """

    def __init__(self, api: Api, journal: Journal, choice: EngineChoice) -> None:
        self.api = api
        self.journal = journal
        self.choice = choice
        # A name that moves to another model while a run goes on shows in the dated name of the answers.
        self._snapshot = next(filter(self._is_snapshot, journal.models()), "")
        self._another_model = ""  # the message of the run that stops
        self._clips: frozenset[str] | None = None
        self.meter = Meter(api.hosted, journal.usage())

    def ask(self, planned: Planned) -> Answer:
        """The answer from the journal, or else from the endpoint.

        Args:
            planned: the request.

        Raises:
            UserError: the limit of cost is reached, another model answers, or see ``Api.ask``.
        """
        key = planned.key
        if (known := self.journal.find(key)) is not None:
            self.meter.add(None)
            return known
        estimate = planned.estimate
        answer = self.api.ask(planned.body(), estimate.text + estimate.audio, self._check_may_send)
        return self.keep(key, planned.audio_name, answer, estimate)

    def keep(self, key: str, audio_name: str, answer: Answer, estimate: Usage) -> Answer:
        """Check the model of an answer, and write it to the journal.

        Args:
            key: the request.
            audio_name: see ``Request``.
            answer: what the endpoint sent.
            estimate: about how many tokens it took.

        Returns:
            The answer, with the estimate where the endpoint did not count.

        Raises:
            UserError: another model has answered.
        """
        if not answer.is_counted:
            answer = replace(answer, usage=estimate)  # so that the limit of cost holds all the same
        self._check_identity(key, answer, audio_name)
        self.journal.add(key, answer, audio_name)
        self.meter.add(answer)
        token_count.add(answer.usage.total)
        return answer

    def close(self) -> None:
        """Close the connections and the journal."""
        self.api.close()
        self.journal.close()

    def plan(self, clips: Collection[str], requests: int) -> None:
        """Count what is spent on a run, with what earlier runs have spent on the same clips.

        Args:
            clips: ``audio_sha256`` of the run's clips. The limit of cost is for these.
            requests: how many answers the run needs, for the time that is left.
        """
        self._clips = frozenset(clips)
        self.meter = Meter(self.api.hosted, self.spent(), requests)

    def spent(self) -> Spent:
        """What the answers about the run's clips took; all answers of the journal where no run is planned."""
        return self.journal.usage(self._clips)

    def answered_by(self) -> list[str]:
        """The models that the answers of the journal name, most frequent first."""
        return self.journal.models()

    def _check_may_send(self) -> None:
        """Stop where the limit of cost is reached, or where another model has answered meanwhile."""
        if self._another_model:
            raise UserError(self._another_model)
        cost, limit = self.meter.cost, self.choice.max_cost
        if cost is not None and limit is not None and cost >= limit:
            raise UserError(
                f"the limit of {limit:g} USD is reached ({cost:.2f} USD spent on {self.api.hosted.model}); paid answers "
                "are kept; raise --max-cost to go on"
            )

    def _check_identity(self, key: str, answer: Answer, audio_name: str) -> None:
        """Stop where another model answered than the one asked for, or than the one that answered before.

        The answer is kept among those of the other model, so that a run that expects it does not pay again.
        """
        asked = self.choice.answered_by or self.api.hosted.model
        if self._is_snapshot(answer.model):
            self._snapshot = self._snapshot or answer.model
        expected = self._snapshot if self._is_snapshot(answer.model) else asked
        if not answer.model or is_same_model(expected, answer.model):
            return
        name = first_shown(answer.model)
        self.journal.add(key, answer, audio_name, answered_by=name)
        before = f" and {self._snapshot} answered before" if self._snapshot else ""
        self._another_model = (
            f"asked for {asked}{before}, but {name} answered; paid answers are kept. To use that model as a revision of "
            f"its own, add --answered-by {name}"
        )
        raise UserError(self._another_model)

    def _is_snapshot(self, name: str) -> bool:
        return is_snapshot(self.choice.answered_by or self.api.hosted.model, name)
