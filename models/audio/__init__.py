"""Recordings: decoding, probing, resampling, perturbation, and synthetic speech."""
