"""Training in several processes: data-parallel (DDP), or with sharded weights (FSDP)."""
