"""Tempo, beats and bars from audio."""
