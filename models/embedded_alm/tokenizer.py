"""The tiny ALM's tokenizer: byte-level BPE trained on its prompts; it can represent any text.

It is built for one label set. Each label is one token, and a single capital letter is always the same token, whatever
precedes it. So an option such as "A anger" is three tokens (letter, space, label) at any position in a prompt. The word
before the options and the chat roles are single tokens too: roles of several tokens would be most of the tokens that
the prompts of an utterance do not share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ambivox.models.prompting.neutralising import neutralise
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import (
    ALPHABETS,
    LABEL_LIMIT_CHARACTERS,
    Elicitation,
    build_prompts,
    check_labels,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LETTERS = ALPHABETS[0]
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
AUDIO, AUDIO_START, AUDIO_END = "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"
OPENING = "Options"  # the word before the options in a prompt
ROLES = ("user", "assistant")
_ELICITATIONS: tuple[Elicitation, ...] = ("exact", "sampled", "verbalised")
SPECIAL_TOKENS = (PAD, START, END, AUDIO, AUDIO_START, AUDIO_END)

# Qwen2-Audio's chat template without its default system turn and the "Audio 1:" before each recording. It breaks up
# markup in the text, so that a transcript cannot open a turn.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] | replace('<|', '< |') }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ('audio', 'audio_url', 'input_audio') or 'audio_url' in part %}"
    "<|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif 'text' in part %}{{ part['text'] | replace('<|', '< |') }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# In this order: a single capital; a word with the space before it (a space before a single capital is separate); a
# digit; punctuation; white space.
_SINGLE_CAPITAL = r"[A-Z](?!\p{L})"
_PATTERN = rf"{_SINGLE_CAPITAL}| ?(?!{_SINGLE_CAPITAL})\p{{L}}+| ?\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+|\s+"


def shown_labels(labels: tuple[str, ...]) -> list[str]:
    """The labels as prompts show them.

    Raises:
        UserError: fewer than two labels, more labels than letters, or two labels with the same text.
    """
    check_labels(labels, LETTERS)
    return [neutralise(label, SPECIAL_TOKENS, LABEL_LIMIT_CHARACTERS) for label in labels]


def training_texts(labels: tuple[str, ...], transcripts: Sequence[str | None]) -> Iterator[str]:
    """What a tokenizer is trained on: prompts of every elicitation with the chat roles, and the transcripts."""
    for elicitation in _ELICITATIONS:
        for prompt in build_prompts(labels, BUILT_IN, 2, modality="both", elicitation=elicitation):
            yield prompt.text("", SPECIAL_TOKENS) + "\nassistant\nuser\nsystem\n"
    yield from (text for text in transcripts if text)


def build_tokenizer(
    labels: tuple[str, ...], texts: Iterable[str], vocabulary: int = 1024
) -> PreTrainedTokenizerFast:
    """Train the BPE merges on ``texts``.

    Args:
        labels: the label set; each label becomes one token.
        texts: prompts and transcripts; equal texts give an equal tokenizer.
        vocabulary: largest number of tokens, the 256 bytes included, labels and chat roles not included.

    Returns:
        The tokenizer, with its chat template.

    Raises:
        UserError: the labels cannot be shown in a prompt.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(list(texts), trainer)
    single_tokens = (*shown_labels(labels), OPENING, *ROLES)
    tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=False) for word in single_tokens])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START, AUDIO, AUDIO_START, AUDIO_END],
        chat_template=CHAT_TEMPLATE,
        padding_side="right",
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )
