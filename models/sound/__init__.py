"""Sound: decoding, probing, resampling, synthesis and small changes of it."""
