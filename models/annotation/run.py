"""One annotation run: what it asks, the parts it is computed in, and the tables that come of it.

The step and the flow both cut a run into the same parts; a part that is stored already costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.alms import resolve
from ambivox.models.annotation.answering import REJECTS, Computing, OnLong
from ambivox.models.annotation.checks import Checks, summary
from ambivox.models.annotation.elicitation import ask
from ambivox.models.annotation.vote_store import VoteStore
from ambivox.models.annotation.work_items import gather, plan, slices, space
from ambivox.models.engines import EngineChoice, choose, close_engines, engine_version, open_engine
from ambivox.models.errors import UserError
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.personas import Persona, load_personas
from ambivox.models.prompting.prompts import TRANSCRIPT_LIMIT_BYTES, Elicitation, Modality, prompt_version
from ambivox.models.tables import Annotations, Utterances, Votes

REJECTED = pl.Schema(
    {
        "file": pl.String,
        "line": pl.Int64,
        "utterance_id": pl.String,
        "reason": pl.String,
        "detail": pl.String,
    }
)


@dataclass(frozen=True)
class Settings:
    """What a user decides about a run. See ``ambivox.tasks.annotate``."""

    choice: EngineChoice
    elicitation: Elicitation
    personas: tuple[Persona, ...]
    orders: int
    modality: Modality
    votes: int
    temperature: float
    on_long: OnLong
    seed: int
    store: str
    shard: int


@dataclass(frozen=True)
class Result:
    """What a run gives: a row an answer, a row a vote, a row an utterance that could not be asked about."""

    annotations: Annotations
    votes: Votes
    rejects: pl.DataFrame
    checks: dict[str, Any]


# An engine answers one part at a time; threads that fill other parts wait for it.
_engine_in_use = Lock()


class Annotator:
    """A run on these utterances.

    Raises:
        UserError: an unknown ALM or engine, a label set that cannot be shown, or settings that do not go
            together.
    """

    def __init__(self, utterances: Utterances, settings: Settings) -> None:
        if not len(utterances):
            raise UserError("no utterances to annotate in the splits asked for")
        if not 0.0 < settings.temperature <= 10.0:
            raise UserError(f"the temperature must be above 0 and at most 10, found {settings.temperature}")
        self.utterances = utterances
        self.settings = settings
        self.resolved: ResolvedAlm = resolve(settings.choice.alm)
        self.version = engine_version(settings.choice)
        self.checks = Checks(utterances, settings.personas[0], settings.orders, settings.modality)
        own = ask(
            utterances.labels,
            settings.personas,
            elicitation=settings.elicitation,
            orders=settings.orders,
            modality=settings.modality,
            votes=settings.votes,
            seed=settings.seed,
        )
        self.questions = (*own, *self.checks.all_questions)
        self.items = plan(utterances, own)
        checking = self.checks.items().with_columns(pl.col("question") + len(own))
        self.parts = slices(pl.concat([self.items, checking]), settings.shard)
        self.store = VoteStore(settings.store, space(self.resolved, self.version))

    def missing(self, part: pl.DataFrame) -> pl.DataFrame:
        """The items of a part that nobody has answered yet."""
        return part.filter(~pl.col("key").is_in(self.store.answered(part["key"]).implode()))

    def fill(self, missing: pl.DataFrame, advance: Callable[[int], None] = lambda _: None) -> pl.DataFrame:
        """Compute these items and store the answers as one shard; returns what was rejected (by key).

        The engine is started where something is missing, and then stays.

        Raises:
            UserError: the engine cannot be started, or fails for good.
        """
        if not missing.height:
            return pl.DataFrame(schema=REJECTS)
        with _engine_in_use:
            engine = open_engine(self.settings.choice)
            computing = Computing(engine, self.questions, self.resolved, self.settings.on_long)
            try:
                answers, rejects = computing.answer(missing, advance)
            except UserError:
                # It may be gone for good: whoever tries again gets a new one.
                close_engines()
                raise
        self.store.add(answers)
        return rejects

    def result(self, rejects: pl.DataFrame) -> Result:
        """The tables, from what the store holds and what was rejected on the way."""
        answers = self.store.answers()
        annotations = gather(
            self.items,
            answers,
            self.questions,
            self.utterances.labels,
            self.resolved,
            self.version,
            self.settings.temperature,
        )
        rejected = self._rejected(rejects)
        votes = draw_votes(annotations, self.settings.votes, self.settings.seed)
        checks = self.checks.report(answers) | summary(annotations) | self._about(rejected)
        return Result(annotations, votes, rejected, checks)

    def _rejected(self, rejects: pl.DataFrame) -> pl.DataFrame:
        rows = self.items.join(rejects.unique("key"), on="key", how="inner", maintain_order="left")
        rows = rows.unique("utterance_id", keep="first", maintain_order=True)
        file = pl.col("audio").alias("file")
        line = pl.lit(None, dtype=pl.Int64).alias("line")
        return rows.select(file, line, "utterance_id", "reason", "detail").cast(REJECTED)

    def _about(self, rejected: pl.DataFrame) -> dict[str, Any]:
        length = self.utterances.frame["transcript"].drop_nulls().str.len_bytes()
        cut = int((length > TRANSCRIPT_LIMIT_BYTES).sum()) if self.settings.modality != "audio" else 0
        return {
            "alm": self.resolved.name,
            "revision": self.resolved.revision,
            "engine": self.version,
            "licence": self.resolved.alm.licence,
            "prompt_version": prompt_version(),
            "elicitation": self.settings.elicitation,
            "modality": self.settings.modality,
            "personas": {p.name: p.focus for p in self.settings.personas},
            "utterances": len(self.utterances),
            "rejected": rejected.height,
            "transcripts_cut": cut,
            "transcript_limit_bytes": TRANSCRIPT_LIMIT_BYTES,
        }


def prepare(
    utterances: Path,
    *,
    alm: str,
    store: str,
    engine: str,
    elicitation: Elicitation,
    personas: tuple[str, ...],
    persona_file: Path | None,
    orders: int,
    modality: Modality,
    votes: int,
    temperature: float,
    on_long: OnLong,
    splits: tuple[str, ...],
    server: str,
    patience: float,
    seed: int,
    shard: int,
) -> Annotator:
    """The run that these options of ``ambivox.tasks.annotate`` describe; no engine is started."""
    settings = Settings(
        EngineChoice(choose(engine), alm, server, patience),
        elicitation,
        load_personas(personas, persona_file),
        orders,
        modality,
        votes,
        temperature,
        on_long,
        seed,
        store,
        shard,
    )
    return Annotator(Utterances.read(utterances).in_splits(*splits), settings)


def draw_votes(annotations: Annotations, votes: int, seed: int) -> Votes:
    """Synthetic annotators' votes, weight 1 each.

    A sampled answer is one vote. From distributions, every persona casts ``votes`` votes, drawn without
    another call from its mean over option orders; the same seed draws the same votes.
    """
    frame = annotations.frame
    sampled = frame.filter(pl.col("elicitation") == "sampled")
    if sampled.height:
        number = pl.int_range(pl.len()).over("utterance_id").cast(pl.String)
        said = sampled.select(
            "utterance_id",
            "label",
            pl.concat_str("alm", "persona", number, separator=":").alias("annotator_id"),
        ).drop_nulls("label")
    else:
        said = _drawn(frame.drop_nulls("logprobs"), annotations.labels, votes, seed)
    cast = said.with_columns(annotator_kind=pl.lit("alm"), weight=pl.lit(1.0))
    return Votes.check(cast.select(list(Votes.required)), annotations.labels)


def _drawn(frame: pl.DataFrame, labels: tuple[str, ...], votes: int, seed: int) -> pl.DataFrame:
    columns = {"utterance_id": pl.String, "annotator_id": pl.String, "label": pl.String}
    if votes < 1 or not frame.height:
        return pl.DataFrame(schema=columns)
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    mixed = frame.select("utterance_id", "persona", "alm").hstack(
        [pl.Series(f"p{k}", p_RK[:, k]) for k in range(len(labels))]
    )
    means = mixed.group_by("utterance_id", "persona", "alm", maintain_order=True).mean()
    mean_GK = means.select([f"p{k}" for k in range(len(labels))]).to_numpy()
    steps_GK = np.cumsum(mean_GK / mean_GK.sum(axis=1, keepdims=True), axis=1)
    uniform_GV = np.random.default_rng(seed).random((len(means), votes))
    drawn_GV = (uniform_GV[:, :, None] >= steps_GK[:, None, :-1]).sum(axis=2)
    voter = means.select(pl.concat_str("alm", "persona", separator=":")).to_series()
    return pl.DataFrame(
        {
            "utterance_id": means["utterance_id"].to_numpy().repeat(votes),
            "annotator_id": [f"{name}:{vote}" for name in voter for vote in range(votes)],
            "label": np.array(labels)[drawn_GV.ravel()],
        },
        schema=columns,
    )
