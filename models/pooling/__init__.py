"""How votes become a distribution: calibration, what an ALM is worth, and who should be asked next."""
