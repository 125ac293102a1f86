"""Opens a project with QGIS and tells as JSON what it found; run by the system's Python.

Arguments: the project, a GeoPackage, the picture to write, files of other formats to open.
"""

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

QgsApplication.setPrefixPath("/usr", True)
application = QgsApplication([], False)
application.initQgis()

project = QgsProject.instance()
told = {"read": project.read(sys.argv[1]), "layers": [], "crs": project.crs().authid()}
root = project.layerTreeRoot()
told["groups"] = [group.name() for group in root.findGroups()]
for node in root.findLayers():
    layer = node.layer()
    item = {"title": layer.name(), "valid": layer.isValid(), "shown": node.isVisible()}
    item["provider"] = layer.providerType()
    box = layer.extent()
    item["extent"] = [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()]
    item["crs"] = layer.crs().authid()
    if isinstance(layer, QgsVectorLayer):
        renderer = layer.renderer()
        item["rows"] = layer.featureCount()
        item["renderer"] = renderer.type()
        parts = getattr(renderer, "categories", getattr(renderer, "ranges", list))()
        item["parts"] = [(part.label(), part.symbol().color().name()) for part in parts]
    told["layers"].append(item)

fresh = QgsVectorLayer(f"{sys.argv[2]}|layername=objects", "fresh", "ogr")
told["fresh"] = {"valid": fresh.isValid(), "renderer": fresh.renderer().type()}

told["others"] = {}
for path in sys.argv[4:]:
    other = QgsVectorLayer(path, "other", "ogr")
    told["others"][Path(path).name] = other.featureCount() if other.isValid() else None

settings = QgsMapSettings()
settings.setOutputSize(QSize(900, 900))
settings.setBackgroundColor(QColor("white"))
settings.setLayers([node.layer() for node in root.findLayers() if node.isVisible()])
settings.setDestinationCrs(project.crs())
settings.setExtent(project.viewSettings().defaultViewExtent() or fresh.extent())
if settings.extent().isEmpty():
    settings.setExtent(fresh.extent())
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
job.renderedImage().save(sys.argv[3])
sys.stdout.write(json.dumps(told) + "\n")
sys.stdout.flush()
# NOTE: QGIS crashes in the end where Python still holds layers.
os._exit(0)
