"""Training: the loop, its state and checkpoints, checks before it, and forward passes in batches."""
