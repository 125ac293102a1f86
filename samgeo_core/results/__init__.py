"""Results: objects as rasters, pictures, polygons and files."""
