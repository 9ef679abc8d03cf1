"""What things are: tables and labels, corpora, ALMs, prompts, pooling, augmentation, metrics, heads."""
