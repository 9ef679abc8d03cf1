"""Training examples, their prompts, and batches."""
