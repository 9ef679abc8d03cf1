"""How close distributions come to human votes that nothing was fitted or trained on."""
