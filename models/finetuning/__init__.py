"""Fine-tuning an ALM to answer with a distribution."""
