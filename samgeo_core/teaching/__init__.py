"""Objects that are alike, and classes learnt from a few marked objects."""
