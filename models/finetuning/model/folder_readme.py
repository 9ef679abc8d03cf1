"""The README of a fine-tuned model: code that loads it with transformers and peft, without this project.

A test runs that code and compares its predictions with those of ``predict``.
"""

from __future__ import annotations

from ambivox.models.alm_backbones.backbone import FOUR_BIT
from ambivox.models.prompting.alm_spec import Alm

_TEMPLATE = """# Emotion distributions from speech

A LoRA adapter and a distribution head for {alm} (revision {revision}), trained by Ambivox with the method of
"Scaling Ambiguity" (arXiv 2601.14620). It predicts one probability per label: {labels}.

    pip install torch transformers peft safetensors{extra_packages}

```python
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn
from transformers import {imports}

LABELS = {labels_list}
PROMPT = {prompt}
CODES = {codes}  # the tokens of the answer codes, if the head corrects the model's own answer


class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 8, batch_first=True)
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.Dropout(0.15), nn.GELU())
        self.narrow = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width // 2), nn.Dropout(0.1), nn.GELU()
        )
        self.answer = nn.Sequential(nn.LayerNorm(width // 2), nn.Linear(width // 2, len(LABELS)))
        self.gain = nn.Parameter(torch.ones(1)) if CODES else None
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, hidden, logits):  # one utterance, no padding: (1, tokens, width), (1, vocabulary)
        hidden = (hidden - self.centre) / self.scale
        pooled = self.attention(hidden[:, -1:], hidden, hidden)[0][:, 0]
        answer = self.answer(self.narrow(pooled + self.project(pooled)))
        return (answer + self.gain * logits[:, CODES] if CODES else answer).softmax(-1)


def load(folder, alm):
    processor = {processor_class}.from_pretrained(alm)
    base = {model_class}.from_pretrained(alm, dtype=torch.float32{loading})
{after_loading}    model = PeftModel.from_pretrained(base, folder).eval()
    head = Head(base.config.get_text_config().hidden_size).eval()
    head.load_state_dict(load_file(f"{{folder}}/distribution_head.safetensors"))
    return processor, model, head


@torch.no_grad()
def distribution(processor, model, head, samples, transcript):  # samples: float32, mono, 16 kHz
{input_code}
    outputs = model(**inputs, output_hidden_states=True)
    return dict(zip(LABELS, head(outputs.hidden_states[-1], outputs.logits[:, -1])[0].tolist()))
```
"""

# Without it, bitsandbytes computes in bfloat16 on CPUs that have avx512_bf16.
_FULL_PRECISION = """    for module in base.modules():  # float32 arithmetic on every CPU, as in training
        module.support_avx512bf16_for_cpu = False
"""


def readme_text(
    labels: tuple[str, ...],
    alm_name: str,
    alm_revision: str,
    prompt: str,
    code_ids: list[int],
    alm: Alm,
    input_code: str,
    quantised: bool,
) -> str:
    """Write the README's text.

    Args:
        labels: K labels, in the head's order.
        alm_name: The base ALM's name.
        alm_revision: The base ALM's revision.
        prompt: The prompt with the chat markup; the word TRANSCRIPT stands for the transcript.
        code_ids: The tokens of the answer codes; empty for the paper's head.
        alm: The base ALM's entry in models/alms/, with its transformers classes.
        input_code: ``Architecture.input_code``.
        quantised: Whether the model was trained on 4-bit weights, and needs them.
    """
    classes = [alm.processor_class, alm.transformers_class]
    loading, after_loading = "", ""
    if quantised:
        classes.append("BitsAndBytesConfig")
        options = ", ".join(f"{name}={value!r}" for name, value in FOUR_BIT.items())
        loading = f", quantization_config=BitsAndBytesConfig({options}, bnb_4bit_compute_dtype=torch.float32)"
        after_loading = _FULL_PRECISION
    return _TEMPLATE.format(
        alm=alm_name,
        revision=alm_revision,
        labels=", ".join(labels),
        labels_list=list(labels),
        prompt=repr(prompt),
        codes=code_ids,
        model_class=alm.transformers_class,
        processor_class=alm.processor_class,
        input_code=input_code,
        imports=", ".join(classes),
        loading=loading,
        after_loading=after_loading,
        extra_packages=" bitsandbytes" if quantised else "",
    )
