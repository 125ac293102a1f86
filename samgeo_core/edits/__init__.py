"""Corrections of what a run found: each a value, kept in a log beside the run's candidates."""
