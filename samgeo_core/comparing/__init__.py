"""Objects beside a layer that is taken for true: what matches, changed, is missing or extra."""
