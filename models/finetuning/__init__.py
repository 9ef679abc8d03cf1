"""Fine-tuning of an ALM that predicts emotion distributions."""
