"""Qwen-Omni by Alibaba Cloud's API in its OpenAI-compatible mode, which answers only as a stream."""

from ambivox.models.prompting.alm_spec import hosted_alm
from ambivox.models.prompting.hosted_spec import Hosted

ALM = hosted_alm(
    Hosted(
        provider="Alibaba Cloud",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        model="qwen3-omni-flash",
        key_variable="DASHSCOPE_API_KEY",
        audio_formats=("wav", "mp3"),
        audio_prefix="data:;base64,",
        parameters=("temperature", "seed", "max_tokens"),
        extra_parameters={"modalities": ["text"], "stream": True, "stream_options": {"include_usage": True}},
        audio_tokens_per_second=12.5,
        terms="https://www.alibabacloud.com/help/en/model-studio",
    ),
    tested="against a local server that behaves like the documented endpoint; the provider was never reached",
)
