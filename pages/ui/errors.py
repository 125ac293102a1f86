"""Errors as sentences on the page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from pages.ui.text import plain
from samgeo_core.errors import SamGeoError
from samgeo_core.web.refusals import refusal_of
from samgeo_core.words import sentence

logger = logging.getLogger(__name__)


def show_error(message: str) -> None:
    """One friendly sentence; text from files stays text."""
    st.error(plain(sentence(message)), icon=":material/error:")


@contextmanager
def friendly() -> Iterator[None]:
    """Show what a user can act on as a sentence; unknown errors travel up to streamlit."""
    try:
        yield
    except Exception as error:
        told = refusal_of(error) or error
        if not isinstance(told, SamGeoError):
            raise
        logger.info("Shown to the user: %s", error)
        show_error(str(told))
