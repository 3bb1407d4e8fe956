"""Everything that a result folder holds besides audio: MIDI, notes, manifest."""
