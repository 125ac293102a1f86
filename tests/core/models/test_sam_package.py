"""Modules of segment-anything-py, without torchvision."""

from __future__ import annotations

import subprocess
import sys

from samgeo_core.models.sam_package import sam_module


def test_modules_are_made_of_the_same_lines():
    import segment_anything.utils.amg

    assert sam_module("utils.amg").__file__ == segment_anything.utils.amg.__file__
    assert sam_module("utils.amg") is sam_module("utils.amg")
    assert set(sam_module("build_sam").sam_model_registry) >= {"vit_h", "vit_l", "vit_b"}


def test_loading_and_the_engine_import_neither_torchvision_nor_a_compiler():
    code = (
        "import pkgutil, importlib, sys, samgeo_core.engine, samgeo_core.pipeline; "
        "[importlib.import_module(m.name) "
        "for m in pkgutil.iter_modules(samgeo_core.engine.__path__, 'samgeo_core.engine.')]; "
        "from samgeo_core.models.loading import build_network; build_network('vit_t'); "
        "build_network('vit_b'); "
        "print(*(n in sys.modules for n in ('torch', 'torchvision', 'torch._dynamo', 'sympy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "False", "False"]
