"""Folders with the form of Qwen2-Audio: its processor and prompt, a byte-pair tokenizer, and small weights.

The weights are random, but for a little training that puts probability on letters, so that answers are no refusals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from tests.support.annotation_fixtures import LABELS, SPOKEN

REAL_TOKENIZER = Path(__file__).parents[3] / "shared" / "qwen-tokenizer"
AUDIO = "<|AUDIO|>"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", AUDIO, "<|audio_bos|>", "<|audio_eos|>")
# How Qwen2's tokenizer splits text before it merges bytes.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# A system turn, numbered clips before the text, and turns in the markup of ChatML.
_TEMPLATE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{% set clips = namespace(n=0) %}"
    "{% for part in turn.content %}{% if part.type == 'audio' %}{% set clips.n = clips.n + 1 %}"
    "Audio {{ clips.n }}: <|audio_bos|><|AUDIO|><|audio_eos|>\n{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def small_tokenizer() -> Any:
    """A tokenizer of the same kind with few merges, trained on the prompts and on names that share their beginnings."""
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer(Regex, pre_tokenizers)
    tokenizer.decoder = decoders.ByteLevel()
    prompts = build_prompts(LABELS, BUILT_IN, 2, modality="both")
    texts = [prompt.text(spoken) for prompt in prompts for spoken in SPOKEN]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=700, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([*texts, "Audio system assistant user helpful\n"] * 3, trainer)
    return _with_special_tokens(tokenizer, _TEMPLATE)


def real_tokenizer() -> Any:
    """The published ranks and chat template, which are not part of this project."""
    from tokenizers import Regex, pre_tokenizers
    from transformers.convert_slow_tokenizer import TikTokenConverter

    converter = TikTokenConverter(str(REAL_TOKENIZER / "qwen.tiktoken"), pattern=_SPLIT)
    tokenizer = converter.converted()
    tokenizer.pre_tokenizer = _pre_tokenizer(Regex, pre_tokenizers)
    return _with_special_tokens(tokenizer, (REAL_TOKENIZER / "chat_template.jinja").read_text())


def write_folder(tokenizer: Any, folder: Path) -> Path:
    """Write a model with the architecture of Qwen2-Audio, 64 dimensions wide, and its processor."""
    import torch
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioEncoderConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        Qwen2Config,
        WhisperFeatureExtractor,
    )

    audio = Qwen2AudioEncoderConfig(
        d_model=64, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=64, num_mel_bins=128
    )
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    token_id = tokenizer.convert_tokens_to_ids(AUDIO)
    torch.manual_seed(5)
    model = Qwen2AudioForConditionalGeneration(
        Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_index=token_id)
    )
    with torch.no_grad():
        model.model.multi_modal_projector.linear.weight.mul_(20)
        model.model.audio_tower.conv1.weight.mul_(8)
        model.model.audio_tower.conv2.weight.mul_(8)
        for layer in model.model.language_model.layers:
            for weight in layer.parameters():
                if weight.ndim == 2:
                    weight.mul_(6)
    features = WhisperFeatureExtractor(feature_size=128, chunk_length=30, return_attention_mask=True)
    processor = Qwen2AudioProcessor(features, tokenizer, chat_template=tokenizer.chat_template)
    _train(model, processor)
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _train(model: Any, processor: Any) -> None:
    """A few steps that put probability on the letters of the options after prompts of text."""
    import torch

    from ambivox.models.prompting.chat import Chat
    from ambivox.models.prompting.request import Request

    chat = Chat(processor)
    prompts = build_prompts(LABELS, BUILT_IN[:4], 2, modality="transcript")
    requests = [Request(prompt, None, "", SPOKEN[number % 4]) for number, prompt in enumerate(prompts)]
    ids = chat.answer_ids(requests[0])
    chat.tokenizer.padding_side = "left"
    batch = chat.tokenizer(
        text=[chat.render(request) for request in requests], padding=True, return_tensors="pt"
    )
    trained = [model.lm_head.weight, *model.model.language_model.norm.parameters()]
    optimiser = torch.optim.Adam(trained, lr=0.02)
    for _ in range(12):
        logprobs = model(**batch, use_cache=False).logits[:, -1].log_softmax(-1)
        loss = -logprobs[:, ids].logsumexp(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()


def _pre_tokenizer(regex: Any, pre_tokenizers: Any) -> Any:
    split = pre_tokenizers.Split(regex(_SPLIT), behavior="isolated", invert=False)
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _with_special_tokens(tokenizer: Any, template: str) -> Any:
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token="<|im_end|>",
        extra_special_tokens={
            "audio_token": AUDIO,
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
        },
        chat_template=template,
    )
