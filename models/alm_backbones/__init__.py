"""A published ALM opened up for training: architecture, frozen audio tower, language model."""
