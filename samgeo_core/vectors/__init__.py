"""Objects as finished vector layers: smooth outlines, coverages without gaps, attributes."""
