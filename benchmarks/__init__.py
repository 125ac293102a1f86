"""Benchmarks: each prints what it measured, side by side with its peer, in one run."""
