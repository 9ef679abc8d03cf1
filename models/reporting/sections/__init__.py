"""The sections of the report, one file each: every section reads its part of a run and describes it."""

from __future__ import annotations

from collections.abc import Callable

from ambivox.models.reporting.parts import Section
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.sections.annotation import annotation
from ambivox.models.reporting.sections.augmentation import augmentation
from ambivox.models.reporting.sections.corpus import corpus
from ambivox.models.reporting.sections.examples import example_anchors, examples
from ambivox.models.reporting.sections.finetuning import finetuning
from ambivox.models.reporting.sections.pooling import pooling
from ambivox.models.reporting.sections.provenance import provenance
from ambivox.models.reporting.sections.trial import trial
from ambivox.models.reporting.sections.validation import validation

#: The sections between the examples and the provenance, in reading order.
BODY: tuple[Callable[[Run], Section], ...] = (
    corpus,
    annotation,
    pooling,
    validation,
    trial,
    augmentation,
    finetuning,
)

__all__ = ["BODY", "example_anchors", "examples", "provenance"]
