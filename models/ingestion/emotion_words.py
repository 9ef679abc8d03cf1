"""Words for emotions in tables: how a column of labels, or the columns of counts per label, are known."""

from __future__ import annotations

import re
import unicodedata

import polars as pl

from ambivox.models.ingestion.cleaning import clear_nothing, holds_text
from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.free_text_labels import other_word
from ambivox.models.ingestion.labels import COMMON_LABELS

#: Common label (labels.py) -> further words for it, in ten languages; under "" words for emotions that none is common for.
_WORDS_OF = {
    "anger": "angry mad ärger wut wütend zorn colère enojo enfado ira rabia raiva rabbia 生气 愤怒 憤怒 怒り 분노 화남 гнев злость",
    "contempt": "contemptuous verachtung mépris desprecio desprezo disprezzo 軽蔑 경멸 презрение",
    "disgust": "disgusted ekel angeekelt dégoût asco nojo disgusto 厌恶 嫌悪 혐오 отвращение",
    "excitement": "excited",
    "fear": "afraid anxiety anxious fearful scared angst ängstlich peur miedo medo paura 恐惧 害怕 恐れ 恐怖 두려움 공포 страх",
    "frustration": "frustrated frustriert",
    "happiness": "happy joy joyful freude fröhlich glücklich joie heureux heureuse alegría felicidad feliz alegria felicidade "
    "gioia felicità 高兴 快乐 开心 喜び 幸福 기쁨 행복 радость счастье",
    "neutral": "calm ruhig ruhe calme neutre calma neutro neutrale 中性 平静 中立 중립 нейтрально спокойствие",
    "sadness": "sad trauer traurig tristesse triste tristeza tristezza 悲伤 难过 悲しみ 슬픔 грусть печаль",
    "surprise": "surprised überraschung überrascht sorpresa surpresa 惊讶 驚き 놀람 удивление",
    "other": "andere sonstiges autre otro outro altro 其他 その他 기타 другое",
    "": "amused amusement annoyed bored boredom langeweile gelangweilt ennui aburrimiento tédio noia confused confusion "
    "disappointed disappointment embarrassed guilt guilty hate love pride proud relief relieved shame trust",
}
_COMMON_LABEL_OF = {label: label for label in COMMON_LABELS} | {
    word: label for label, words_of in _WORDS_OF.items() for word in words_of.split()
}
# Between the labels of a cell that holds several.
_BETWEEN = re.compile(r"[;|,/+&\n、，；／]|(?<=\s)(?:and|und|et|y|e|и)(?=\s)")
# From the first letter to the last: around them are numbers, blanks, punctuation, and pictures of faces.
_LETTERS = re.compile(r"[^\W\d_](?:.*[^\W\d_])?", re.DOTALL)


def common_label(text: str) -> str | None:
    """The common label that a word means, whatever its case and what stands around it.

    Args:
        text: A label of a corpus.

    Returns:
        One of COMMON_LABELS, "" for another word for an emotion, or None.

    Example:
        >>> common_label("1 - Happy"), common_label("😡 Ärger"), common_label("bored"), common_label("yes")
        ('happiness', 'anger', '', None)
    """
    match = _LETTERS.search(unicodedata.normalize("NFC", text))
    return _COMMON_LABEL_OF.get(match[0].lower()) if match else None


def label_parts(cell: str) -> list[str]:
    """The distinct labels that a cell holds if it holds several, whatever their case.

    Args:
        cell: A label, or several with a separator or a word such as "and" between them.

    Example:
        >>> label_parts("Anger; fear, anger"), label_parts("sad and tired"), label_parts("joy")
        (['Anger', 'fear'], ['sad', 'tired'], ['joy'])
    """
    parts = [" ".join(part.split()) for part in _BETWEEN.split(cell) if part.strip()]
    first: dict[str, str] = {}
    for part in parts:
        first.setdefault(part.casefold(), part)
    return list(first.values())


def names_an_emotion(column: str) -> bool:
    """Tell whether a column is named after an emotion.

    Args:
        column: Its name.

    Example:
        >>> names_an_emotion("Answer.Happy"), names_an_emotion("duration")
        (True, False)
    """
    return bool(emotions_in(column))


def emotions_in(column: str) -> set[str]:
    """The common labels, or else words for emotions, that a column is named after.

    Args:
        column: Its name.

    Example:
        >>> sorted(emotions_in("kim_angry")), sorted(emotions_in("bored_n")), sorted(emotions_in("kim"))
        (['anger'], ['bored'], [])
    """
    return {_COMMON_LABEL_OF[word] or word for word in words(column) if word in _COMMON_LABEL_OF}


def are_emotions(values: pl.Series) -> bool:
    """Tell whether all values of a column of texts are words for emotions, or several of them, in one of ten languages.

    Args:
        values: The column; empty cells and the usual words for nothing are left out.

    Example:
        >>> are_emotions(pl.Series(["1 - Happy", "Ärger", "-"])), are_emotions(pl.Series(["yes", "no"]))
        (True, False)
    """
    if not holds_text(values):
        return False
    given = [text for text in clear_nothing(values.unique(), "labels")[0] if text is not None]
    return bool(given) and all(map(_is_emotion, given))


def are_mostly_emotions(values: pl.Series) -> bool:
    """Tell whether most cells of a column hold words for emotions; an annotator may have words of their own.

    Args:
        values: The column.

    Example:
        >>> are_mostly_emotions(pl.Series(["joy", "sad", "joy", "wistful"])), are_mostly_emotions(pl.Series(["yes", "joy"]))
        (True, False)
    """
    if not holds_text(values):
        return False
    given = clear_nothing(values.drop_nulls(), "labels")[0].drop_nulls()
    known = [text for text in given.unique() if _is_emotion(text)]
    return bool(len(given)) and 2 * int(given.is_in(known).sum()) > len(given)


def _is_emotion(text: str) -> bool:
    is_one = common_label(text) is not None or other_word(text) is not None
    return is_one or all(common_label(part) is not None for part in label_parts(text))
