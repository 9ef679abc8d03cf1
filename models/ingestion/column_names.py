"""What people call the columns of their tables, in English and in languages that corpora often come in."""

from __future__ import annotations

#: Column -> words for it, the most certain first.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "audio": (
        "audio", "file", "path", "filename", "filepath", "wav", "recording", "audiofile", "audiopath", "url", "audiourl",
        "datei", "audiodatei", "dateiname", "aufnahme", "fichier", "archivo", "fichero", "arquivo",
        "音频", "音频文件", "文件", "文件名", "音声", "音声ファイル", "ファイル", "ファイル名", "파일", "음성", "файл", "аудио",
        "bestand", "plik", "dosya", "fil", "soubor", "ملف", "الملف",
    ),
    "annotator_id": (
        "annotator", "rater", "worker", "user", "coder", "listener", "labeler", "labeller", "judge", "evaluator",
        "respondent", "participant", "ratedby", "annotatedby", "labeledby", "labelledby", "observer", "prolific", "prolificpid", "participantprivateid", "participantpublicid", "responseid", "email", "emailaddress", "mail",
        "bewerter", "bewerterin", "beurteiler", "hörer", "annotateur", "évaluateur", "evaluateur", "évaluatrice", "juge",
        "evaluador", "anotador", "avaliador", "valutatore", "annotatore",
        "expert", "beoordelaar", "oceniający", "değerlendirici", "bedömare", "hodnotitel", "эксперт", "مقيم", "المقيم",
        "标注者", "标注员", "评分者", "评价者", "評価者", "評定者", "아노테이터", "평가자", "аннотатор", "оценщик",
    ),
    "label": (
        "label", "emotion", "category", "rating", "answer", "response", "vote", "affect", "class", "choice", "annotation", "judgment", "judgement",
        "mood", "feeling", "sentiment", "stimmung", "humeur", "sentimento", "sentimiento",
        "gefühl", "kategorie", "étiquette", "émotion", "emoción", "emocion", "etiqueta", "emoção", "emoçao", "emozione",
        "情感", "情绪", "心情", "标签", "感情", "気分", "ラベル", "감정", "эмоция", "настроение", "метка",
        "emotie", "emocja", "duygu", "känsla", "emoce", "عاطفة", "العاطفة",
    ),
    "utterance_id": (
        "utterance", "clip", "uid", "segment", "sample", "stimulus", "item", "turn", "id",
        "äußerung", "énoncé", "enunciado", "发话", "発話", "발화",
    ),
    "speaker": (
        "speaker", "actor", "talker", "spk", "character",
        "sprecher", "sprecherin", "locuteur", "locutrice", "hablante", "locutor", "falante", "parlante",
        "说话人", "说话者", "話者", "화자", "диктор", "спикер",
    ),
    "transcript": (
        "transcript", "transcription", "text", "sentence", "words",
        "transkript", "transkription", "satz", "phrase", "transcripción", "texto", "testo", "文本", "書き起こし", "텍스트", "текст",
    ),
    "split": ("split", "partition", "subset", "set"),
    "language": ("language", "lang", "locale", "sprache", "langue", "idioma", "lingua", "语言", "言語", "언어", "язык"),
    "sex": ("sex", "gender", "geschlecht", "sexe", "sexo", "sesso", "性别", "性別", "성별", "пол"),
    "age": ("age", "alter", "âge", "edad", "idade", "età", "年龄", "年齢", "나이", "возраст"),
    "weight": ("weight", "gewicht", "poids", "peso", "权重", "重み", "가중치", "вес"),
}  # fmt: skip
