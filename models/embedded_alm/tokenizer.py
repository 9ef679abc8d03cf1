"""The tiny ALM's tokenizer: byte-level BPE over the words of its prompts, so that any text is representable.

Built for one label set: each label is one token, and a capital letter that stands alone is always the same token,
whatever stands before it. So an option such as "A anger" is three tokens (letter, space, label) wherever it stands
in a prompt. The word that opens the options is one token, and so are the roles of the chat markup, which is that of
Qwen2-Audio: a role of seven tokens would be most of what ten prompts of a clip do not share.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ambivox.models.prompting.neutralising import neutralise
from ambivox.models.prompting.prompts import ALPHABETS, LABEL_LIMIT_CHARACTERS, check_labels

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LETTERS = ALPHABETS[0]
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
AUDIO, AUDIO_START, AUDIO_END = "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"
OPENING = "Options"  # the word of the prompt behind which the options stand
ROLES = ("user", "assistant")
SPECIAL_TOKENS = (PAD, START, END, AUDIO, AUDIO_START, AUDIO_END)

# Qwen2-Audio's own template without its default system turn and the "Audio 1:" before each clip; markup that
# a text brings along is broken up here too, so that no transcript can open a turn.
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

# In this order: a capital alone; a word with the space before it (but the space before a lone capital stays
# outside); a digit; punctuation; white space.
_LONE_CAPITAL = r"[A-Z](?!\p{L})"
_PATTERN = rf"{_LONE_CAPITAL}| ?(?!{_LONE_CAPITAL})\p{{L}}+| ?\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+|\s+"


def shown_labels(labels: tuple[str, ...]) -> list[str]:
    """The labels as they stand in a prompt.

    Raises:
        UserError: fewer than two labels, more than there are letters, or labels that read alike.
    """
    check_labels(labels, LETTERS)
    return [neutralise(label, SPECIAL_TOKENS, LABEL_LIMIT_CHARACTERS) for label in labels]


def build_tokenizer(
    labels: tuple[str, ...], texts: Iterable[str], vocabulary: int = 1024
) -> PreTrainedTokenizerFast:
    """Learn the merges from ``texts`` and return a tokenizer of at most about ``vocabulary`` tokens.

    Args:
        labels: the label set; each becomes one token.
        texts: prompts (and transcripts) that the model will read; equal texts give an equal tokenizer.
        vocabulary: an upper bound, beside the special tokens and the labels; the 256 bytes come first.
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
    whole = (*shown_labels(labels), OPENING, *ROLES)
    tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=False) for word in whole])
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
