"""Thin Streamlit pages: read state, draw widgets, call one core function, show the result."""
