"""Models: which there are, where their weights come from, and networks ready to run."""
