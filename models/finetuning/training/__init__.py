"""The training loop, its checkpoints, checks and learning-rate schedule."""
