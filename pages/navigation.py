"""The script behind every page: settings of the page, the bar on top, then the page itself."""

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.layout import LOGO, OPEN, PICK, RESULT, SEGMENT, TITLE, top_bar
from pages.ui.sign_in import require_sign_in
from pages.ui.state import read_address

st.set_page_config(page_title=TITLE, page_icon=str(LOGO), layout="wide")
page = st.navigation(
    [
        st.Page(OPEN, title="Open", default=True),
        st.Page(SEGMENT, title="Segment", url_path="segment"),
        st.Page(PICK, title="Pick", url_path="pick"),
        st.Page(RESULT, title="Result", url_path="result"),
    ],
    position="hidden",
)
with friendly():
    require_sign_in()
    read_address()
    top_bar()
    page.run()
