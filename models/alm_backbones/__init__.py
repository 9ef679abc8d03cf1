"""Access to the parts of a published ALM for training: its architecture, frozen audio tower and language model."""
