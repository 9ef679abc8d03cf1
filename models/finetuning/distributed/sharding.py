"""FSDP: weights sharded over the processes, each layer gathered only while it computes.

torch's ``fully_shard`` (FSDP2) works in place: parameters keep their names and become DTensors, and frozen parameters
may stand beside trained ones, in any types. The process group and the options are accelerate's. accelerate's
``prepare`` is not used: it shards on GPUs only and requires an existing optimiser.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ambivox.models.errors import UserError


def is_requested() -> bool:
    """Whether ``accelerate launch`` was told to use FSDP.

    Raises:
        UserError: FSDP version 1 was requested, which cannot hold frozen and trained weights in one layer.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() != "true":
        return False
    version = os.environ.get("FSDP_VERSION", "1")
    if version != "2":
        raise UserError(
            f"accelerate is configured for FSDP version {version}, expected version 2; "
            "run accelerate launch with --fsdp_version 2"
        )
    return True


def shard(model: Any, processes: int) -> None:
    """Shard a ``DistributionModel`` over the processes, in place; the shards move to the backbone's device.

    Every layer of the ALM's stacks is one FSDP group, and so are its embeddings if nothing shares them. The remaining
    weights, including the head, stay gathered during a whole forward and backward pass. 4-bit weights (``--quantise``)
    are not sharded. accelerate's ``fsdp_reshard_after_forward`` and ``fsdp_offload_params`` apply.

    Args:
        model: The model.
        processes: The number of processes.
    """
    from accelerate import FullyShardedDataParallelPlugin
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
    mesh = init_device_mesh(model.backbone.device.type, (processes,))
    four_bit = {value for value in model.parameters() if not value.is_floating_point()}
    options: dict[str, Any] = {"mesh": mesh, "ignored_params": four_bit}
    if mesh.device_type != "cpu":
        options["offload_policy"] = plugin.cpu_offload
    for module in (*_layers(model.alm), *_separate_embeddings(model)):
        fully_shard(module, reshard_after_forward=plugin.reshard_after_forward, **options)
    fully_shard(model, **options)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # gloo supports sums but not means; the mean is computed afterwards.
            module.set_force_sum_reduction_for_comms(True)
    register_fsdp_forward_method(model, "hidden_states")


def local_parameter_count(model: nn.Module) -> int:
    """The number of parameters of the model in this process."""
    from torch.distributed.tensor import DTensor

    local = (value.to_local() if isinstance(value, DTensor) else value for value in model.parameters())
    return sum(value.numel() for value in local)


def full_tensor(value: Tensor) -> Tensor:
    """Gather a sharded tensor; every process has to call this."""
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value


def distribute_like(value: Tensor, parameter: Tensor) -> Tensor:
    """Move and shard a full tensor, which every process has, as ``parameter`` is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(value, DTensor) or not isinstance(parameter, DTensor):
        return value.to(parameter.device)
    shards = distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
    return shards.to(parameter.device)


def reshard(model: nn.Module) -> None:
    """Free gathered weights so that the model's parameters are its shards; does nothing without sharding.

    After a forward pass without a backward pass the outermost group is still gathered, and changes to its shards would
    have no effect.
    """
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _layers(alm: nn.Module) -> Iterator[nn.Module]:
    """The members of the outermost stacks of layers; the experts inside a layer are not separate."""
    for child in alm.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from _layers(child)


def _separate_embeddings(model: Any) -> list[nn.Module]:
    """Input and output embeddings that can be FSDP groups of their own."""
    # A weight that both share cannot be in two groups. A head that corrects the ALM's answer reads rows of the output
    # embeddings directly, which only works in the outermost group.
    input_embeddings, output_embeddings = model.backbone.embeddings
    if output_embeddings is not None and input_embeddings.weight is output_embeddings.weight:
        return []
    if output_embeddings is None or model.code_ids:
        return [input_embeddings]
    return [input_embeddings, output_embeddings]
