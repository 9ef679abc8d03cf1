"""The sections of the report, in reading order: each reads its own part of a run and says what it shows."""

from __future__ import annotations

from collections.abc import Callable

from models.report.parts import Section
from models.report.reading import Run
from models.report.sections.closing import examples, provenance
from models.report.sections.distributions import pooling, sparse_votes, validation
from models.report.sections.material import annotation, corpus
from models.report.sections.training import augmentation, finetuning

#: The sections between the headline and the examples.
BODY: tuple[Callable[[Run], Section], ...] = (
    corpus,
    annotation,
    pooling,
    validation,
    sparse_votes,
    augmentation,
    finetuning,
)

__all__ = ["BODY", "examples", "provenance"]
