"""Segment rasters with the Segment Anything Model and turn the masks into vector layers."""
