"""Recordings of known beats and bars to choose the beat tracker's parameters by, and to judge it with."""
