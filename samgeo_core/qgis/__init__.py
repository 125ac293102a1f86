"""Projects and styles for QGIS, written without QGIS."""
