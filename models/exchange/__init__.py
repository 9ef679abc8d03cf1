"""Formats that tables leave and come back in. One file a format; its name is the key; nothing else is registered.

Each has ``write(bundle, folder)``. All but Label Studio's have ``read(folder) -> Bundle``, and what is
written is read back exactly: same rows, same numbers to the last bit. Label Studio gives votes back
(``read_votes``).
"""
