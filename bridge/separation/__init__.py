"""Separators: a mix in, the samples of its parts out."""
