"""The ALM annotation: which ALM answered, how, and the results of its checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.annotation.checks_file import hosted_summary
from ambivox.models.annotation.several_alms import ANNOTATIONS
from ambivox.models.counted import counted
from ambivox.models.reporting.json_tables import json_tables
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run
from ambivox.models.tables import Annotations


def annotation(run: Run) -> Section:
    """Describe the answers of each ALM and its checks."""
    section = Section("annotation", "ALM annotation")
    for folder in run.annotation_folders:
        _add_alm(run, folder, section)
    section.details += json_tables(run.json("alm/training.json"), "Training of the embedded ALM")
    section.pictures = pictures(run, "annotations") + pictures(run, "alm")
    return section


def _add_alm(run: Run, folder: str, section: Section) -> None:
    """Describe the answers and checks in the folder of one ALM."""
    annotations = run.table(Annotations, f"{folder}/{ANNOTATIONS}")
    if annotations is not None and len(annotations):
        frame = annotations.frame
        alms = ", ".join(
            f"{alm} ({revision[:12]})"
            for alm, revision in frame.select("alm", "revision").unique().sort("alm", "revision").rows()
        )
        section.text.append(
            f"{counted(frame.height, 'answer')} of {alms} for {counted(frame['utterance_id'].n_unique(), 'utterance')}. Elicitation: "
            f"{', '.join(sorted(frame['elicitation'].unique()))}. Engine: {', '.join(sorted(frame['engine'].unique()))}. "
            f"Personas: {frame['persona'].n_unique()}. Option orders: {frame['option_order'].n_unique()}. "
            f"Refusals: {frame['refused'].sum():,} ({float(frame['refused'].to_numpy().mean()):.2%})."
        )
        label_mass = frame["label_mass"].drop_nulls()
        if len(label_mass):
            section.text.append(
                "Label mass (the probability that the model assigns to all labels together): mean "
                f"{float(label_mass.to_numpy().mean()):.3f}, 10th percentile {label_mass.quantile(0.1):.3f}."
            )
    checks = run.json(f"{folder}/checks.json")
    name = str(checks.get("alm", "This ALM"))
    if sent := hosted_summary(checks):
        figures = "; ".join(f"{key}: {'not known' if value is None else value}" for key, value in sent)
        section.text.append(f"The recordings were sent to a provider. {figures}.")
    _add_canary(_is_audio_sensitive(checks), name, section)
    section.details += json_tables(checks, *([name] if len(run.annotation_folders) > 1 else []))


def _is_audio_sensitive(checks: Mapping[str, Any]) -> Any:
    canary = checks.get("canary")
    passed = canary.get("passed") if isinstance(canary, Mapping) else None
    return checks.get("audio_sensitive", passed)


def _add_canary(audio_sensitive: Any, name: str, section: Section) -> None:
    if audio_sensitive is False:
        section.warnings.append(
            "The canary check failed: replacing the audio by that of another utterance hardly changes the answers. "
            f"{name} does not use the audio."
        )
    elif audio_sensitive:
        section.text.append(
            "The canary check passed: replacing the audio by that of another utterance changes the answers."
        )
