"""What vLLM loads in each of its processes (the entry point ``vllm.general_plugins`` of pyproject.toml)."""


def register() -> None:
    """Name this project's class for Qwen2-Audio's architecture; it is imported where a model is loaded."""
    from vllm import ModelRegistry

    ModelRegistry.register_model(
        "Qwen2AudioForConditionalGeneration", "models.engines._qwen2_audio:TrimmedQwen2Audio"
    )
