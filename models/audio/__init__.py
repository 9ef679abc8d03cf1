"""Audio: decoding, probing, resampling, perturbation, and synthetic speech."""
