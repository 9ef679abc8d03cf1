"""FSDP: weights spread over the processes, each layer put together only while it computes.

torch's ``fully_shard`` (FSDP2) does it in place: parameters keep their names and become DTensors, frozen ones beside
trained ones, in whatever types. The process group and the settings are accelerate's; its own ``prepare`` is not used,
because it shards on a GPU only and wants an optimiser made before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ambivox.models.errors import UserError


def is_asked_for() -> bool:
    """Whether ``accelerate launch`` was told to shard.

    Raises:
        UserError: by FSDP's first version, which cannot hold frozen and trained weights in one layer.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() != "true":
        return False
    version = os.environ.get("FSDP_VERSION", "1")
    if version != "2":
        raise UserError(
            f"accelerate is configured for FSDP version {version}; fine-tuning shards with version 2: "
            "give accelerate launch --fsdp_version 2"
        )
    return True


def shard(model: Any, processes: int) -> None:
    """Spread a ``DistributionModel`` over the processes, in place; its shards move to the backbone's device.

    Every layer of the ALM's stacks is a group of its own, and so are its embeddings where nothing shares them; what is
    left (the head among it) is gathered for the whole of a forward and backward pass. What ``--quantise`` has packed
    into 4 bits stays whole in every process. accelerate's ``fsdp_reshard_after_forward`` and ``fsdp_offload_params``
    are heeded.
    """
    from accelerate import FullyShardedDataParallelPlugin
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
    mesh = init_device_mesh(model.backbone.device.type, (processes,))
    packed = {value for value in model.parameters() if not value.is_floating_point()}
    how: dict[str, Any] = {"mesh": mesh, "ignored_params": packed}
    if mesh.device_type != "cpu":
        how["offload_policy"] = plugin.cpu_offload
    for part in (*_layers(model.alm), *_embeddings(model)):
        fully_shard(part, reshard_after_forward=plugin.reshard_after_forward, **how)
    fully_shard(model, **how)
    for part in model.modules():
        if isinstance(part, FSDPModule):
            # gloo sums and does not average; the mean is taken afterwards.
            part.set_force_sum_reduction_for_comms(True)
    register_fsdp_forward_method(model, "hidden")


def held(model: nn.Module) -> int:
    """How many numbers of the model's weights this process keeps."""
    from torch.distributed.tensor import DTensor

    kept = (value.to_local() if isinstance(value, DTensor) else value for value in model.parameters())
    return sum(value.numel() for value in kept)


def whole(value: Tensor) -> Tensor:
    """A tensor as it is without sharding; every process has to ask for it."""
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value


def like(value: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor that every process has, placed and sharded as the parameter is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(value, DTensor) or not isinstance(parameter, DTensor):
        return value.to(parameter.device)
    shards = distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
    return shards.to(parameter.device)


def at_rest(model: nn.Module) -> None:
    """Let go of what was gathered, so that the model's parameters are its shards; no-op without sharding.

    A forward pass without a backward pass leaves the outermost group gathered, and changes of its shards unseen.
    """
    from torch.distributed.fsdp import FSDPModule

    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def _layers(alm: nn.Module) -> Iterator[nn.Module]:
    """The members of the outermost stacks of layers; the experts inside a layer stay with it."""
    for child in alm.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from _layers(child)


def _embeddings(model: Any) -> list[nn.Module]:
    """Input and output embeddings that can be a group of their own.

    A head that starts from the ALM's answer reads rows of the output embeddings, which only the outermost group has
    at hand; a weight that both share cannot be in two groups.
    """
    read, said = model.backbone.embeddings
    if said is not None and read.weight is said.weight:
        return []
    return [read] if said is None or model.code_ids else [read, said]
