"""Drum engines: drums in, component stems and General MIDI hits out."""
