"""Notes leave for other programs in real time: which message is due when, the MIDI port, and the process that plays."""
