"""Single objects that somebody points at: prompts on a raster, answered from fitting windows."""
