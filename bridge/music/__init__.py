"""Musical arithmetic: pure functions over notes, beats and ticks; no files, no engines."""
