"""A raster of any size: cut into regions, segmented here or elsewhere, joined, written."""
