"""What Live knows of a clip, and notes in that clip's beats."""
