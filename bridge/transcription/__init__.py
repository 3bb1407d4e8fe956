"""Transcribers of pitched parts: audio in, notes out."""
