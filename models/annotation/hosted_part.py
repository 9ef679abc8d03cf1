"""What only hosted ALMs need of an annotation run: an estimate of the cost, a pilot, batches, and what was paid."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ambivox.models.annotation.elicitation import Question
from ambivox.models.annotation.hosted_cost import (
    PILOT_CLIPS,
    CostEstimate,
    check_pilot,
    estimate_cost,
    usage_report,
)
from ambivox.models.annotation.prompt_runner import PromptRunner
from ambivox.models.annotation.settings import AnnotationSettings
from ambivox.models.annotation.work_items import ITEMS, split_into_shards
from ambivox.models.engines import open_engine
from ambivox.models.engines.hosted.engine import HostedEngine
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.hosted_spec import Hosted, shutdown_notice
from ambivox.models.tables import Utterances

_logger = logging.getLogger(__name__)


class HostedPart:
    """The part of an annotation run that is about the provider.

    Args:
        utterances: the utterances to annotate.
        questions: what the items' column ``question`` indexes.
        resolved: the hosted ALM.
        settings: everything that the user decides.
    """

    def __init__(
        self,
        utterances: Utterances,
        questions: tuple[Question, ...],
        resolved: ResolvedAlm,
        settings: AnnotationSettings,
    ) -> None:
        assert resolved.alm.hosted is not None
        self._hosted: Hosted = resolved.alm.hosted
        self._utterances = utterances
        self._questions = questions
        self._resolved = resolved
        self._settings = settings

    def shutdown_notice(self) -> str:
        """A warning that the provider is about to shut the ALM down; "" where none is due."""
        return shutdown_notice(self._resolved.name, self._hosted.shutdown, datetime.now(UTC).date())

    def with_pilot(self, missing: list[pl.DataFrame]) -> list[pl.DataFrame]:
        """The missing items per shard, of which the first are a shard of their own.

        Args:
            missing: items per shard, none of them empty.
        """
        if not missing:
            return missing
        pilot, *rest = split_into_shards(missing[0], PILOT_CLIPS)
        return [pilot, *([pl.concat(rest)] if rest else []), *missing[1:]]

    def estimate(self, missing: Sequence[pl.DataFrame]) -> CostEstimate:
        """What these answers will cost.

        Args:
            missing: items per shard.
        """
        columns = self._utterances.frame.select("audio_sha256", "duration_seconds").rows()
        items = pl.concat([*missing, pl.DataFrame(schema=ITEMS)])
        hosted = self._hosted.with_prices(self._settings.prices)
        alm = replace(self._resolved.alm, hosted=hosted)
        estimate = estimate_cost(items, dict(columns), self._questions, alm)
        if estimate.cost is None or not self._settings.batch:
            return estimate
        return replace(estimate, cost=estimate.cost * hosted.batch_price)

    def start(self, missing: Sequence[pl.DataFrame]) -> None:
        """Tell the engine which clips the limit of cost is about, and how many requests follow.

        Args:
            missing: items per shard.
        """
        clips = self._utterances.frame["audio_sha256"]
        self._engine().asker.plan(clips, self.estimate(missing).requests)

    def after_pilot(self, remaining: Sequence[pl.DataFrame]) -> None:
        """Check what the rest will cost, and submit it as batches where these are wanted.

        Args:
            remaining: items per shard, without those of the pilot.

        Raises:
            UserError: all together would cost more than is allowed.
        """
        engine, in_batch = self._engine(), self._settings.batch
        check_pilot(engine, self.estimate(remaining), self._settings.max_cost, in_batch=in_batch)
        if in_batch:
            submitter = PromptRunner(
                engine.submitter(), self._questions, self._resolved, self._settings.on_long
            )
            for items in remaining:
                submitter.answer(items)

    def report(self) -> dict[str, Any]:
        """What was sent where, and paid; see ``usage_report``."""
        engine = self._engine()
        _logger.info(f"{self._resolved.name}: {engine.asker.meter.describe()}")
        return usage_report(engine)

    def _engine(self) -> HostedEngine:
        engine = open_engine(self._settings.engine_choice(self._resolved))
        assert isinstance(engine, HostedEngine)
        return engine
