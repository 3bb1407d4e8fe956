"""Jobs: conversions asked for from outside, kept on disk until each has ended, and done by worker processes."""
