"""Utterances to listen to: the most ambiguous, disputed and certain ones, and those to label next, with every distribution."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, zip_longest

from ambivox.models.pooling.credible import LEVEL
from ambivox.models.reporting.clips import ClipLimits, EmbeddedClip, embed_clips
from ambivox.models.reporting.example_cards import ExampleCard, example_cards
from ambivox.models.reporting.example_choice import ExampleKind, choose_examples
from ambivox.models.reporting.parts import Example, ExampleGroup, Section
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label
from ambivox.models.reporting.utterance_figures import UtteranceFigures


def examples(run: Run, figures: UtteranceFigures | None, count: int, limits: ClipLimits) -> Section:
    """Show some utterances of every kind of ``choose_examples``, with audio where it may be embedded.

    Args:
        run: the outputs of a corpus.
        figures: of its utterances; None where there are none.
        count: how many utterances of every kind; 0 for none.
        limits: which clips are embedded.
    """
    section = Section("examples", "Listen")
    if figures is None or not count:
        return section
    kinds = choose_examples(figures, count)
    # The first of every kind come first, so that a limit on the bytes leaves every kind some audio.
    by_rank = zip_longest(*(kind.rows for kind in kinds))
    rows = [row for row in chain.from_iterable(by_rank) if row is not None]
    clips = embed_clips(run, figures.frame, rows, limits)
    cards = dict(zip(rows, example_cards(run, figures, rows), strict=True))
    section.text.append(_reading(cards.values()))
    notes = {clip.note for clip in clips.values()}
    has_audio = any(clip.source for clip in clips.values())
    if not has_audio and len(notes) == 1:
        section.text.append(notes.pop())
        clips = {row: EmbeddedClip("", "") for row in clips}
    section.groups = [_group(kind, cards, clips) for kind in kinds]
    return section


def _reading(cards: Iterable[ExampleCard]) -> str:
    """How the cards are read."""
    has_alm = any(column.source == source_label("synthetic") for card in cards for column in card.columns)
    of_alm, and_alm = (
        (" (of the ALM: the range over its prompts)", " and with what the ALM answered")
        if has_alm
        else ("", "")
    )
    return (
        f"A bar is the probability of an emotion by one source; the line on it is its {LEVEL:.0%} interval{of_alm}. "
        f"Compare what you hear with what the people heard{and_alm}. Votes that were held out did not go into any "
        "distribution."
    )


def example_anchors(section: Section, figures: UtteranceFigures | None) -> dict[int, str]:
    """Return where in the page utterances can be heard, by row of the figures.

    Args:
        section: what ``examples`` returned.
        figures: of the utterances.
    """
    if figures is None:
        return {}
    heard = {
        example.card.utterance_id: example.anchor
        for group in section.groups
        for example in group.examples
        if example.audio
    }
    names = figures.frame["utterance_id"]
    return {row: heard[name] for row, name in enumerate(names) if name in heard}


def _group(kind: ExampleKind, cards: dict[int, ExampleCard], clips: dict[int, EmbeddedClip]) -> ExampleGroup:
    return ExampleGroup(
        kind.title,
        kind.reading,
        [
            Example(cards[row], f"{kind.key}-{place}", clips[row].source, clips[row].note)
            for place, row in enumerate(kind.rows, 1)
        ],
    )
