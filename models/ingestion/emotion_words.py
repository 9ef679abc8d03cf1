"""Words for emotions in tables: how a column of labels, or the columns of counts per label, are known."""

from __future__ import annotations

import polars as pl

from ambivox.models.ingestion.cleaning import clear_nothing
from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.labels import COMMON_LABELS

_WORDS = """
    afraid amused amusement angry annoyed anxiety anxious bored boredom calm confused confusion contemptuous disappointed
    disappointment disgusted embarrassed excited fearful frustrated guilt guilty happy hate joy joyful love pride proud
    relief relieved sad scared shame surprised trust
    ärger wut wütend zorn angst ängstlich ekel angeekelt freude fröhlich glücklich trauer traurig überraschung überrascht
    verachtung langeweile gelangweilt ruhig ruhe frustriert sonstiges andere
    colère peur dégoût joie heureux heureuse tristesse triste surprise mépris ennui calme neutre autre
    enojo enfado ira rabia miedo asco alegría felicidad feliz tristeza sorpresa desprecio aburrimiento calma otro
    raiva medo nojo alegria felicidade surpresa desprezo tédio neutro outro
    rabbia paura disgusto gioia felicità tristezza sorpresa disprezzo noia neutrale altro
    生气 愤怒 憤怒 恐惧 害怕 厌恶 高兴 快乐 开心 悲伤 难过 惊讶 中性 平静 其他
    怒り 恐れ 恐怖 嫌悪 喜び 幸福 悲しみ 驚き 軽蔑 平静 中立 その他
    분노 화남 두려움 공포 혐오 기쁨 행복 슬픔 놀람 경멸 중립 기타
    гнев злость страх отвращение радость счастье грусть печаль удивление презрение нейтрально спокойствие другое
"""
_EMOTIONS = frozenset(COMMON_LABELS) | frozenset(_WORDS.split())
# Around a word: numbers, blanks, punctuation, and pictures of faces.
_AROUND = r"^[^\p{L}]+|[^\p{L}]+$"


def names_an_emotion(column: str) -> bool:
    """Tell whether a column is named after an emotion.

    Args:
        column: Its name.

    Example:
        >>> names_an_emotion("Answer.Happy"), names_an_emotion("duration")
        (True, False)
    """
    return bool(set(words(column)) & _EMOTIONS)


def are_emotions(values: pl.Series) -> bool:
    """Tell whether all values of a column of texts are words for emotions, in one of ten languages.

    Args:
        values: The column; empty cells and the usual words for nothing are left out.

    Example:
        >>> are_emotions(pl.Series(["1 - Happy", "Ärger", "-"])), are_emotions(pl.Series(["yes", "no"]))
        (True, False)
    """
    given = clear_nothing(values.drop_nulls(), "labels")[0].drop_nulls()
    names = given.str.normalize("NFC").str.replace_all(_AROUND, "").str.to_lowercase()
    return bool(len(names)) and bool(names.is_in(list(_EMOTIONS)).all())
