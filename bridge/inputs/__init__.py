"""Ways in besides commands and OSC: folders whose new recordings are converted by themselves."""
