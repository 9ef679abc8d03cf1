"""An annotation run: its work items, the shards that are computed and stored, and the tables in the end.

The step and the flow split a run into the same shards. A shard that is stored already costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.alms import resolve
from ambivox.models.annotation.answer_summary import summarise_answers
from ambivox.models.annotation.checks import ORDERS, Checks
from ambivox.models.annotation.elicitation import plan_questions
from ambivox.models.annotation.hosted_part import HostedPart
from ambivox.models.annotation.long_clips import ITEM_REJECTS, without_windows
from ambivox.models.annotation.prompt_runner import PromptRunner
from ambivox.models.annotation.result import AnnotationResult
from ambivox.models.annotation.run_report import describe_run, first_reject, rejected_utterances, what_was_run
from ambivox.models.annotation.settings import AnnotationSettings
from ambivox.models.annotation.store_spaces import open_space, unused
from ambivox.models.annotation.stored_keys import StoredKeys
from ambivox.models.annotation.synthetic_votes import draw_synthetic_votes
from ambivox.models.annotation.work_items import (
    annotations_table,
    plan_items,
    split_into_shards,
    store_space,
)
from ambivox.models.engines import close_engines, engine_identity, engine_version, open_engine
from ambivox.models.errors import TooLittleDataError, UserError
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.chat import load_chat
from ambivox.models.prompting.personas import load_personas
from ambivox.models.prompting.prompts import Elicitation
from ambivox.models.prompting.request import Request
from ambivox.models.tables import Utterances

# An engine answers one shard at a time; threads that fill other shards wait.
_engine_in_use = Lock()


def prepare(utterances: Path, *, splits: tuple[str, ...], **settings: Any) -> AnnotationRun:
    """Plan a run; no engine is started.

    Args:
        utterances: the table of utterances.
        splits: which splits are annotated.
        **settings: the fields of AnnotationSettings.

    Returns:
        The planned run.

    Raises:
        UserError: see AnnotationSettings and AnnotationRun.
    """
    return AnnotationRun(Utterances.read(utterances).in_splits(*splits), AnnotationSettings(**settings))


class AnnotationRun:
    """The annotation of these utterances with these settings.

    Args:
        utterances: the utterances to annotate.
        settings: everything that the user decides.

    Attributes:
        hosted: what only a hosted ALM needs; None for an ALM on an engine of one's own.

    Raises:
        UserError: there are no utterances, the ALM, engine or a persona is unknown, the labels cannot be shown as
            options, or settings contradict each other.
    """

    def __init__(self, utterances: Utterances, settings: AnnotationSettings) -> None:
        if not len(utterances):
            raise TooLittleDataError(
                "no utterances to annotate in these splits; check --splits and the utterances table"
            )
        self.utterances = utterances
        resolved = resolve(settings.alm)
        self.settings = settings = settings.with_elicitation(resolved)
        # Another model that answers for the one asked for is a revision of its own.
        self.resolved: ResolvedAlm = replace(
            resolved, revision=(resolved.alm.hosted and settings.answered_by) or resolved.revision
        )
        assert settings.elicitation != "auto"
        self.engine_choice = settings.engine_choice(self.resolved)
        self.personas = load_personas(settings.personas, settings.persona_file)
        self.engine_version = engine_version(self.engine_choice)
        # A hosted ALM that is not asked for log-probabilities may have none.
        is_hosted = self.engine_choice.engine == "hosted"
        checked_by: Elicitation = "verbalised" if is_hosted and settings.elicitation != "exact" else "exact"
        self.checks = Checks(
            utterances, self.personas[0], min(settings.orders, ORDERS), settings.modality, checked_by
        )
        questions = plan_questions(
            utterances.labels,
            self.personas,
            elicitation=settings.elicitation,
            orders=settings.orders,
            modality=settings.modality,
            votes=settings.votes,
            seed=settings.seed,
        )
        self.questions = (*questions, *self.checks.all_questions)
        self.hosted = HostedPart(utterances, self.questions, self.resolved, settings) if is_hosted else None
        self.items = plan_items(utterances, questions)
        check_items = self.checks.items().with_columns(pl.col("question") + len(questions))
        self.shards = split_into_shards(pl.concat([self.items, check_items]), settings.shard)
        identity = engine_identity(self.engine_choice)
        space = store_space(self.resolved, self.engine_version, identity)
        self.store = open_space(settings.store, space)
        self._unused = unused(settings.store, self.store.space)

    @cached_property
    def _keys(self) -> pl.Series:
        """The keys of all items, each once."""
        return pl.concat([self.items["key"].clear(), *(shard["key"] for shard in self.shards)])

    @cached_property
    def _stored_keys(self) -> StoredKeys:
        return self.store.stored_keys(self._keys)

    def missing(self, shard: pl.DataFrame) -> pl.DataFrame:
        """The items of a shard that have no answer in the store.

        Args:
            shard: one of ``self.shards``.

        Returns:
            A subset of its rows.
        """
        return shard.filter(pl.Series(~self._stored_keys.is_answered(shard["key"])))

    def missing_by_shard(self) -> list[pl.DataFrame]:
        """The items that have no answer in the store, for each of ``self.shards``."""
        is_missing = pl.Series(~self._stored_keys.is_answered(self._keys))
        ends = np.cumsum([shard.height for shard in self.shards])
        return [
            shard.filter(is_missing[int(end) - shard.height : int(end)])
            for shard, end in zip(self.shards, ends, strict=True)
        ]

    def missing_items(self) -> list[pl.DataFrame]:
        """The items per shard that have no answer in the store; shards that are complete are left out."""
        missing = [items for items in self.missing_by_shard() if items.height]
        return missing if self.hosted is None else self.hosted.with_pilot(missing)

    def check_prompts(self) -> None:
        """Render a prompt, as before an ALM waits for others that answer for hours.

        Raises:
            UserError: the tokenizer, the processor or the chat template of the ALM's folder cannot be used.
        """
        if self.engine_choice.engine in ("transformers", "vllm"):
            request = Request(self.questions[0].prompt, np.zeros(1, np.float32), "")
            load_chat(self.resolved).render(request)

    def describe(self, missing: list[pl.DataFrame]) -> str:
        """The size of the run in one line.

        Args:
            missing: what ``missing_items`` returned.

        Returns:
            The numbers of utterances, questions and missing answers, the ALM and the engine.
        """
        return describe_run(
            len(self.utterances),
            self.items.height,
            sum(items.height for items in missing),
            self.resolved,
            self.engine_version,
            self.settings,
            self._unused,
        )

    def annotate(
        self, missing: list[pl.DataFrame] | None = None, advance: Callable[[int], None] = lambda _: None
    ) -> AnnotationResult:
        """Compute and store all missing answers, shard by shard, and return the tables.

        Args:
            missing: what ``missing_items`` returned; computed where None.
            advance: is called with 1 after each decoded clip.

        Returns:
            The tables and checks.

        Raises:
            UserError: the engine cannot be started or failed; or ``on_error`` is "stop" and an item was rejected.
                Answers that are stored stay stored: the same run resumes.
        """
        rejects = [pl.DataFrame(schema=ITEM_REJECTS)]
        missing = self.missing_items() if missing is None else missing
        if self.hosted is not None:
            self.hosted.start(missing)
        for number, items in enumerate(missing):
            rejected = self.fill(items, advance)
            if self.hosted is not None and number == 0 and len(missing) > 1:
                self.hosted.after_pilot(missing[1:])
            if self.settings.on_error == "stop" and rejected.height:
                raise first_reject(rejected)
            rejects.append(rejected)
        return self.result(pl.concat(rejects))

    def fill(self, items: pl.DataFrame, advance: Callable[[int], None] = lambda _: None) -> pl.DataFrame:
        """Compute these items and store the answers as one shard.

        The engine is started with the first item and stays open.

        Args:
            items: items of one shard that are not stored.
            advance: is called with 1 after each decoded clip.

        Returns:
            The rejected items (ITEM_REJECTS).

        Raises:
            UserError: the engine cannot be started, or failed.
        """
        if not items.height:
            return pl.DataFrame(schema=ITEM_REJECTS)
        with _engine_in_use:
            engine = open_engine(self.engine_choice)
            runner = PromptRunner(engine, self.questions, self.resolved, self.settings.on_long)
            try:
                answers, rejects = runner.answer(items, advance)
            except UserError:
                # The engine may be dead; a retry starts a new one.
                close_engines()
                raise
        self.store.add(answers)
        return rejects

    def result(self, item_rejects: pl.DataFrame) -> AnnotationResult:
        """The tables and checks from the answers in the store.

        Args:
            item_rejects: the items that were rejected (ITEM_REJECTS).

        Returns:
            The tables and checks.

        Raises:
            UserError: ``on_error`` is "stop" and an item is rejected.
        """
        answers = self.store.answers(self._keys)
        if self.settings.on_long == "error":
            limit = self.resolved.alm.longest_seconds
            answers, cut = without_windows(self.items, answers, self.utterances, limit)
            item_rejects = pl.concat([item_rejects, cut])
        if self.settings.on_error == "stop" and item_rejects.height:
            raise first_reject(item_rejects)
        annotations = annotations_table(
            self.items,
            answers,
            self.questions,
            self.utterances.labels,
            self.resolved,
            self.engine_version,
            self.settings.temperature,
        )
        rejects = rejected_utterances(self.items, item_rejects)
        votes = draw_synthetic_votes(annotations, self.settings.votes, self.settings.seed)
        checks = (
            self.checks.report(answers)
            | summarise_answers(annotations)
            | what_was_run(
                self.utterances,
                self.resolved,
                self.engine_version,
                self.personas,
                self.settings,
                rejects.height,
            )
        )
        if self.hosted is not None:
            checks["hosted"] = self.hosted.report()
        return AnnotationResult(annotations, votes, rejects, checks)
