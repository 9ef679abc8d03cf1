"""The distribution head, the ALM with adapters, and the folder of a fine-tuned model."""
