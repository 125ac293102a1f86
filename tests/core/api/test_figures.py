import os
import subprocess
import sys
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from samgeo_core.api.figures import colored, show_picture
from samgeo_core.errors import ParameterError


@pytest.fixture(autouse=True)
def silent_backend() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


def show(picture: np.ndarray, **options) -> None:
    show_picture("Test", picture, **{"figsize": (3, 2), "axis": "off", **options})


def test_without_a_display_the_figure_stays_current():
    show(np.zeros((40, 60, 3), np.uint8))
    figure = plt.gcf()
    assert figure.get_label() == "Test"
    assert tuple(figure.get_size_inches()) == (3, 2)
    assert not plt.gca().axison
    show(np.zeros((40, 60, 3), np.uint8), axis="on")
    assert plt.get_fignums() == [figure.number], "the same figure is drawn anew"
    assert plt.gca().axison


def test_axes_count_pixels_of_large_pictures_too():
    show(np.zeros((5000, 3000, 3), np.uint8))
    image = plt.gca().get_images()[0]
    assert max(image.get_array().shape) <= 2048
    assert image.get_extent() == (0, 3000, 5000, 0) or image.get_extent() == [0, 3000, 5000, 0]


def test_a_notebook_shows_it_inline():
    pytest.importorskip("matplotlib_inline")
    code = (
        "import numpy, matplotlib.pyplot as plt\n"
        "from samgeo_core.api.figures import show_picture\n"
        "picture = numpy.zeros((40, 60, 3), numpy.uint8)\n"
        "show_picture('Test', picture, figsize=(3, 2), axis='off')\n"
        "assert plt.get_fignums() == [], 'it would be shown twice'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # Without a notebook around it, what is displayed is told by its name.
    assert done.stdout.startswith("Figure(")


def test_colours_span_the_values():
    values = np.array([[0, 1], [2, 4]], np.uint16)
    assert colored(values, "binary_r").tolist() == [[[0] * 3, [63] * 3], [[127] * 3, [255] * 3]]
    reversed_ = colored(values, "binary")
    assert reversed_[0, 0].tolist() == [255] * 3 and reversed_[1, 1].tolist() == [0] * 3


def test_one_value_has_one_colour():
    assert np.unique(colored(np.zeros((3, 4), np.uint8), "binary_r")).tolist() == [0]


def test_unknown_colour_maps_are_told():
    with pytest.raises(ParameterError, match="colour map of matplotlib"):
        colored(np.zeros((3, 4), np.uint8), "mud")
