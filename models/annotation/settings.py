"""The settings of an annotation run, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ambivox.models.annotation.item_requests import OnLong
from ambivox.models.engines import EngineChoice, choose_engine
from ambivox.models.errors import OnError, UserError
from ambivox.models.prompting.prompts import Elicitation, Modality

MAX_TEMPERATURE = 10.0


@dataclass(frozen=True)
class AnnotationSettings:
    """What a user decides about a run. The step ``ambivox.tasks.annotate`` documents the same names for users.

    Attributes:
        alm: a key in models/alms/, a local model folder, or a text file that names one of the two.
        store: the vote store: a folder or s3://bucket/prefix.
        engine: a key in models/engines/, or "auto".
        elicitation: exact, sampled or verbalised.
        personas: names of personas; "paper" stands for the paper's five.
        persona_file: a TOML file with further personas.
        orders: the number of balanced option orders: 1, or an even number up to 2 K.
        modality: the input of the model.
        votes: the number of synthetic annotators (sampled), or of votes drawn per persona (exact, verbalised).
        temperature: T, which rescales exact distributions: p^(1/T); above 0, at most 10.
        on_long: what happens to a clip that is longer than the ALM accepts.
        server: the address of the vLLM server (engine "server" only).
        server_timeout: seconds without any successful request after which the server is given up.
        seed: the seed of sampled answers and drawn votes.
        shard: the number of clips per shard of the vote store.
        on_error: whether a rejected item is listed in rejects.parquet or ends the run.
    """

    alm: str
    store: str
    engine: str
    elicitation: Elicitation
    personas: tuple[str, ...]
    persona_file: Path | None
    orders: int
    modality: Modality
    votes: int
    temperature: float
    on_long: OnLong
    server: str
    server_timeout: float
    seed: int
    shard: int
    on_error: OnError

    def __post_init__(self) -> None:
        """Check the values that no other module checks."""
        if not 0.0 < self.temperature <= MAX_TEMPERATURE:
            raise UserError(
                f"the temperature must be above 0 and at most {MAX_TEMPERATURE:g}, found {self.temperature}"
            )
        if self.shard < 1:
            raise UserError(f"a shard must hold at least 1 clip, found {self.shard}")

    def engine_choice(self) -> EngineChoice:
        """The engine and where it runs, with "auto" resolved.

        Returns:
            What ``open_engine`` takes.

        Raises:
            UserError: the engine is unknown or not installed.
        """
        return EngineChoice(choose_engine(self.engine), self.alm, self.server, self.server_timeout)
