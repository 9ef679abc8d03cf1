"""Small random-weight models of other architectures, each with its own configuration and processor classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from tests.support.annotation_fixtures import LABELS, SPOKEN

_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}AUDIO"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _tokenizer(placeholder: str, names: dict[str, str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    from ambivox.models.embedded_alm.tokenizer import END, PAD, build_tokenizer

    prompts = build_prompts(LABELS, BUILT_IN, 2, modality="both")
    plain = build_tokenizer(LABELS, [prompt.text(transcript) for prompt in prompts for transcript in SPOKEN])
    return PreTrainedTokenizerFast(
        tokenizer_object=plain.backend_tokenizer,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=names,
        chat_template=_TEMPLATE.replace("AUDIO", placeholder),
    )


def _features(seconds: int) -> Any:
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(feature_size=128, chunk_length=seconds, return_attention_mask=True)


_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
}


def audio_flamingo_3(folder: Path) -> Path:
    """Audio-Flamingo-3: its encoder and projector with a small Qwen2."""
    import torch
    from transformers import (
        AudioFlamingo3Config,
        AudioFlamingo3ForConditionalGeneration,
        AudioFlamingo3Processor,
    )

    tokenizer = _tokenizer("<sound>", {"audio_token": "<sound>"})
    audio = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = AudioFlamingo3Config(
        audio_config={"model_type": "audioflamingo3_encoder", **audio},
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT},
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    torch.manual_seed(1)
    return _save(
        AudioFlamingo3ForConditionalGeneration(config),
        AudioFlamingo3Processor(_features(30), tokenizer, chat_template=tokenizer.chat_template),
        folder,
    )


def qwen2_5_omni(folder: Path) -> Path:
    """Qwen2.5-Omni's thinker: its audio encoder, an unused vision tower, and a small Qwen2.5."""
    import torch
    from transformers import (
        Qwen2_5OmniThinkerConfig,
        Qwen2_5OmniThinkerForConditionalGeneration,
        Qwen2AudioProcessor,
    )

    names = {
        "image_token": "<|IMAGE|>",
        "audio_token": "<|AUDIO|>",
        "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
    }
    tokenizer = _tokenizer("<|audio_bos|><|AUDIO|><|audio_eos|>", names)
    token_id = tokenizer.convert_tokens_to_ids
    config = Qwen2_5OmniThinkerConfig(
        audio_config={
            "d_model": 64,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 64,
            "output_dim": 64,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [0],
        },
        text_config={
            "vocab_size": len(tokenizer),
            **_TEXT,
            "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]},
        },
        audio_token_index=token_id("<|AUDIO|>"),
        image_token_index=token_id("<|IMAGE|>"),
        video_token_index=token_id("<|VIDEO|>"),
        audio_start_token_id=token_id("<|audio_bos|>"),
        audio_end_token_id=token_id("<|audio_eos|>"),
        vision_start_token_id=token_id("<|vision_bos|>"),
        vision_end_token_id=token_id("<|vision_eos|>"),
    )
    torch.manual_seed(2)
    processor = Qwen2AudioProcessor(_features(30), tokenizer, chat_template=tokenizer.chat_template)
    return _save(Qwen2_5OmniThinkerForConditionalGeneration(config), processor, folder)


def voxtral(folder: Path) -> Path:
    """Voxtral: the Whisper encoder and a projector with a small Llama, and Mistral's tokenizer with 1,000 merges."""
    import torch
    from transformers import (
        MistralCommonBackend,
        VoxtralConfig,
        VoxtralForConditionalGeneration,
        VoxtralProcessor,
        WhisperFeatureExtractor,
    )

    folder.mkdir(parents=True, exist_ok=True)
    write_tekken(folder / "tekken.json")
    tokenizer = MistralCommonBackend.from_pretrained(folder, local_files_only=True)
    audio = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "num_mel_bins": 128,
    }
    config = VoxtralConfig(
        audio_config={"model_type": "voxtral_encoder", **audio},
        text_config={"model_type": "llama", "vocab_size": tokenizer.vocab_size, "head_dim": 32, **_TEXT},
        audio_token_id=24,
    )
    torch.manual_seed(3)
    processor = VoxtralProcessor(WhisperFeatureExtractor(feature_size=128), tokenizer)
    return _save(VoxtralForConditionalGeneration(config), processor, folder)


def write_tekken(path: Path, merges: int = 1000) -> None:
    """Write Mistral's vocabulary file with fewer merges, and with the special tokens and audio settings of Voxtral."""
    import json
    from importlib.resources import files

    vocabulary = json.loads(files("mistral_common").joinpath("data/tekken_240911.json").read_text())
    names = [
        "<unk>",
        "<s>",
        "</s>",
        "[INST]",
        "[/INST]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[TOOL_CALLS]",
        "[IMG]",
        "<pad>",
        "[IMG_BREAK]",
        "[IMG_END]",
        "[PREFIX]",
        "[MIDDLE]",
        "[SUFFIX]",
        "[SYSTEM_PROMPT]",
        "[/SYSTEM_PROMPT]",
        "[TOOL_CONTENT]",
        *(f"<SPECIAL_{n}>" for n in range(20, 24)),
        "[AUDIO]",
        "[BEGIN_AUDIO]",
        *(f"<SPECIAL_{n}>" for n in range(26, 34)),
        "[TRANSCRIBE]",
        *(f"<SPECIAL_{n}>" for n in range(35, 40)),
    ]
    vocabulary["special_tokens"] = [
        {"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)
    ]
    vocabulary["vocab"] = vocabulary["vocab"][: merges + 256]
    vocabulary["config"] |= {
        "num_vocab_tokens": merges + 256,
        "default_vocab_size": merges + 256 + len(names),
        "default_num_special_tokens": len(names),
        "version": "v7",
    }
    vocabulary["audio"] = {
        "sampling_rate": 16000,
        "frame_rate": 12.5,
        "chunk_length_s": 30.0,
        "audio_encoding_config": {"num_mel_bins": 128, "hop_length": 160, "window_size": 400},
    }
    del vocabulary["image"]
    path.write_text(json.dumps(vocabulary))


def _save(model: Any, processor: Any, folder: Path) -> Path:
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2:
                weight.mul_(4 if "layers" in name or "conv" in name else 10)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
