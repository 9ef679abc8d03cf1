"""The matrix of fine-tuned models against human votes."""
