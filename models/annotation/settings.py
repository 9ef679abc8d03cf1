"""The settings of an annotation run, as plain values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ambivox.models.alms import HOSTED_PREFIX
from ambivox.models.annotation.long_clips import OnLong
from ambivox.models.engines import EngineChoice, choose_engine
from ambivox.models.errors import OnError, UserError
from ambivox.models.object_store import is_object_url
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.prompts import Elicitation, Modality

MAX_TEMPERATURE = 10.0
PAPER_VOTES = 10  # synthetic votes per utterance in "Scaling Ambiguity" (arXiv 2601.14620)


# A folder of such a name would be a mistake: s3:/bucket, gs://bucket.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_BUCKET = re.compile(r"s3://[^/]")


@dataclass(frozen=True)
class AnnotationSettings:
    """What a user decides about a run. The step ``ambivox.tasks.annotate`` documents the same names for users.

    Attributes:
        alm: a key in models/alms/, a local model folder, or a text file that names one of the two.
        store: the vote store: a folder or s3://bucket/prefix.
        engine: a key in models/engines/, or "auto".
        elicitation: exact, sampled or verbalised; auto is exact where the ALM gives log-probabilities, else sampled.
        personas: names of personas; "paper" stands for the paper's five.
        persona_file: a TOML file with further personas.
        orders: the number of balanced option orders: 1, or an even number; at most 2 K are used.
        modality: the input of the model.
        votes: the number of synthetic annotators (sampled), or of votes drawn per persona (exact, verbalised).
        temperature: T, which rescales exact distributions: p^(1/T); above 0, at most 10.
        on_long: what happens to a clip that is longer than the ALM accepts.
        server: the address of the server (engines "server" and "hosted").
        server_timeout: seconds without any successful request after which the server is given up.
        seed: the seed of sampled answers and drawn votes.
        shard: the number of clips per shard of the vote store.
        on_error: whether a rejected item is listed in rejects.parquet or ends the run.
        allow_hosted: whether audio may be sent to a provider.
        max_cost: US dollars that may be spent on a hosted ALM; None without a limit.
        answered_by: the model that is expected to answer for a hosted ALM, if not the one asked for.
        prices: US dollars per million text, audio and output tokens of a hosted ALM, if not those of its file.
        batch: whether a hosted ALM is asked by batch files after the pilot.
    """

    alm: str
    store: str
    engine: str = "auto"
    elicitation: Elicitation | Literal["auto"] = "auto"
    personas: tuple[str, ...] = ("voice_and_words", "tone")
    persona_file: Path | None = None
    orders: int = 6
    modality: Modality = "both"
    votes: int = 0
    temperature: float = 1.0
    on_long: OnLong = "window"
    server: str = ""
    server_timeout: float = 300.0
    seed: int = 0
    shard: int = 256
    on_error: OnError = "reject"
    allow_hosted: bool = False
    max_cost: float | None = None
    answered_by: str = ""
    prices: tuple[float, ...] = ()
    batch: bool = False

    def __post_init__(self) -> None:
        """Check the values that no other module checks."""
        if not 0.0 < self.temperature <= MAX_TEMPERATURE:
            raise UserError(
                f"the temperature must be above 0 and at most {MAX_TEMPERATURE:g}, found {self.temperature}"
            )
        if self.shard < 1:
            raise UserError(f"a shard must hold at least 1 clip, found {self.shard}")
        if _ADDRESS.match(self.store) and not _BUCKET.match(self.store):
            raise UserError(f"the store {self.store!r}: expected a folder, or s3://bucket/prefix")
        if len(self.prices) not in (0, 3) or not all(0 <= price < math.inf for price in self.prices):
            raise UserError(
                "prices: expected three numbers of US dollars per million text, audio and output tokens, such as 0.3 1 "
                f"2.5; found {' '.join(map(str, self.prices))}"
            )

    def engine_choice(self, resolved: ResolvedAlm) -> EngineChoice:
        """The engine and where it runs, with "auto" resolved.

        Args:
            resolved: the ALM.

        Returns:
            What ``open_engine`` takes.

        Raises:
            UserError: the engine is unknown or not installed, or the ALM is hosted and may not be used.
        """
        hosted = resolved.alm.hosted
        engine = choose_engine(self.engine, is_hosted=hosted is not None)
        if hosted is not None and engine not in ("hosted", "fake"):
            raise UserError(
                f"the ALM {self.alm} is reached by an API; found --engine {engine}, expected hosted or auto"
            )
        if engine == "hosted" and not self.allow_hosted:
            from ambivox.models.engines._bounded_http import shown_address

            address = shown_address(self.server or (hosted.base_url if hosted else ""))
            raise UserError(
                f"the ALM {self.alm} would send the recordings to {address}; if your "
                "speakers have agreed to that and your licence permits it, set --allow-hosted (in a "
                "project: `ambivox run --allow-hosted`, which marks the corpus in params.yaml)"
            )
        if (
            engine == "hosted"
            and self.max_cost is not None
            and not self.prices
            and (hosted and not hosted.prices)
        ):
            raise UserError(
                f"the prices of {self.alm} are not known, so --max-cost cannot hold; add --prices TEXT AUDIO OUTPUT (US "
                "dollars per million tokens; 0 0 0 for a server of your own)"
            )
        choice = EngineChoice(engine, self.alm, self.server, self.server_timeout)
        if engine != "hosted":
            return choice
        journal = Path(".ambivox") if is_object_url(self.store) else Path(self.store)
        return replace(
            choice,
            journal=journal / "hosted.sqlite",
            max_cost=self.max_cost,
            answered_by=self.answered_by,
            prices=self.prices,
            batch=self.batch,
        )

    def with_elicitation(self, resolved: ResolvedAlm) -> AnnotationSettings:
        """The settings with the elicitation "auto" resolved.

        Args:
            resolved: the ALM.
        """
        if self.elicitation != "auto":
            return self
        hosted = resolved.alm.hosted
        if hosted is None or (hosted.top_logprobs and not self.alm.startswith(HOSTED_PREFIX)):
            return replace(self, elicitation="exact")
        return replace(self, elicitation="sampled", votes=self.votes or PAPER_VOTES)
