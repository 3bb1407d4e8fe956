"""What a producer takes away: further kinds of files, each made from a result folder's content alone."""
