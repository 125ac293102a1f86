"""Areas of tiled maps as GeoTIFF.

area → MapBox → TileSource.address → TileFetcher (guarded, polite, cached) → GeoTIFF
"""
