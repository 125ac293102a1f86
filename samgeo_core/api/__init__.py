"""The calls of segment-geospatial scripts, as a thin shell over the core."""
