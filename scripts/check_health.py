"""Exit 0 if the app on this machine answers, 1 if it does not: the image's health check."""

import os
import sys
import urllib.request

base = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
port = os.environ.get("STREAMLIT_SERVER_PORT", "8501")
address = f"http://127.0.0.1:{port}/{base + '/' if base else ''}healthz"
try:
    with urllib.request.urlopen(address, timeout=4) as response:
        sys.exit(response.status != 200)
except OSError as error:
    sys.exit(f"{address}: {error}")
