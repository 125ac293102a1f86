#!/bin/sh
# Make the virtual environment in the folder $1 with the Python that find_python.sh names.
set -eu
venv=$1
python=$("$(dirname "$0")/find_python.sh")

echo "Making $venv with $("$python" --version)"
if ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    echo "$python cannot make virtual environments." >&2
    echo "On Debian and Ubuntu the package python3-venv mends that; else name another Python:" >&2
    echo "    make PYTHON=/path/to/python3.12 run" >&2
    exit 1
fi
