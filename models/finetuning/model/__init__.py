"""The distribution head, the adapted ALM, and the folder they are saved in."""
