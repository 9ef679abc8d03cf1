"""How close distributions come to human votes that nobody trained on."""
