"""The script behind every page: settings of the page, the bar on top, then the page itself."""

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.layout import LOGO, OPEN, PICK, RESULT, SEGMENT, TITLE, top_bar
from pages.ui.sign_in import require_sign_in
from pages.ui.state import read_address
from samgeo_core.words import _

st.set_page_config(page_title=TITLE, page_icon=str(LOGO), layout="wide")
page = st.navigation(
    [
        st.Page(OPEN, title=_("Open"), default=True),
        st.Page(SEGMENT, title=_("Segment"), url_path="segment"),
        st.Page(PICK, title=_("Pick"), url_path="pick"),
        st.Page(RESULT, title=_("Result"), url_path="result"),
    ],
    position="hidden",
)
with friendly():
    require_sign_in()
    read_address()
    top_bar(page.url_path)
    page.run()
