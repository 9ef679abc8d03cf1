"""Fine-tuning and prediction in tests: in this process, in processes of their own, and by a model's README."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import ambivox
from ambivox.models.tables import Distributions, Utterances
from tests.support.tone_corpus import Corpus

ROOT = Path(__file__).resolve().parents[2]
CPU_TEST_OPTIONS = {"epochs": 3, "learning_rate": 3e-3, "batch": 8, "seed": 5}


def run_finetune(
    *,
    utterances: Path | str,
    distributions: Path | str,
    alm: Path | str,
    out: Path | str,
    cache: Path | str,
    runs: Path | str,
    augmented: Path | str | None = None,
    preset: str = "auto",
    tensorboard: Path | None = None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Fine-tune from tables on disk; the result's fields."""
    from ambivox.models.finetuning.finetune import finetune

    result = finetune(
        Utterances.read(Path(utterances)),
        Distributions.read(Path(distributions)),
        Path(augmented) if augmented else None,
        str(alm),
        Path(out),
        preset=preset,  # type: ignore[arg-type]
        options=options,
        cache=Path(cache),
        runs=Path(runs),
        tensorboard=tensorboard,
    )
    return asdict(result)


def finetune_tones(corpus: Corpus, out: Path, **arguments: Any) -> Path:
    """Fine-tune on a corpus of tones; the model folder. Arguments are those of ``run_finetune``."""
    run_finetune(utterances=corpus.utterances, distributions=corpus.human, out=out, **arguments)
    return out


def predict_split(
    corpus: Corpus, model: Path, cache: Path, split: str = "test", alm: str | None = None
) -> Distributions:
    """A model's predictions for one split."""
    from ambivox.models.finetuning.predict import predict

    utterances = Utterances.read(corpus.utterances).in_splits(split)
    predictions, rejects = predict(utterances, model, alm, batch=32, cache=cache)
    assert not rejects
    return predictions


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of every file of a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def readme_namespace(model: Path) -> dict[str, Any]:
    """The names that the Python code of a model's README defines."""
    code = (model / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert not any("ambivox" in line for line in code.splitlines() if "import" in line)
    namespace: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), namespace)  # noqa: S102 - the code that the README tells users to run
    return namespace


def predictions_of_merged(folder: Path, utterances: Utterances) -> np.ndarray:
    """Predictions of merged weights and the head beside them, ``p_NK``."""
    import torch
    from safetensors.torch import load_file

    from ambivox.models.alm_backbones.audio_states import AudioStates
    from ambivox.models.alm_backbones.backbone import load
    from ambivox.models.finetuning.data.example_building import build_examples
    from ambivox.models.finetuning.data.prompts import answer_code_ids
    from ambivox.models.finetuning.model.distribution_head import DistributionHead
    from ambivox.models.finetuning.model.distribution_model import DistributionModel
    from ambivox.models.finetuning.training.batched_forward import predict_examples

    merged = load(str(folder), torch.device("cpu"), torch.float32)
    head = DistributionHead(merged.width, len(utterances.labels), from_answer=True)
    head.load_state_dict(load_file(folder / "distribution_head.safetensors"))
    code_ids = answer_code_ids(merged, utterances.labels, "both")
    model = DistributionModel(merged, head, code_ids).eval()
    states = AudioStates(merged, None)
    examples, _ = build_examples(utterances, merged, states, "both", "stop")
    return predict_examples(model, examples, states, 4)


def start_finetune(
    arguments: Mapping[str, Any], folder: Path, processes: int = 1, threads: int = 1, **environment: str
) -> subprocess.Popen[str]:
    """Start ``run_finetune`` in processes of its own; the main one prints the result as JSON."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    module = [*(launcher if processes > 1 else []), "tests.support.finetuned_models"]
    packages = f"{ROOT}{os.pathsep}{Path(ambivox.__file__).parents[1]}"
    return subprocess.Popen(
        [sys.executable, "-m", *module, json.dumps(arguments, default=str)],
        cwd=folder,
        text=True,
        env=os.environ | {"PYTHONPATH": packages, "OMP_NUM_THREADS": str(threads)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def main() -> None:
    """The process that ``start_finetune`` starts."""
    from ambivox.models.alm_backbones.libraries import prepare_libraries

    prepare_libraries()
    result = run_finetune(**json.loads(sys.argv[1]))
    if result["is_main"]:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
