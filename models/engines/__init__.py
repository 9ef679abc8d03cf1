"""Engines that run an ALM: one file each; the file name is the key."""
