#!/usr/bin/env bash
# Install the requirements file $2 with the Python $1.
# TORCH_INDEX_URL names another package index for PyTorch alone, such as that of its CPU-only builds.
set -euo pipefail
python=$1
requirements=$2

install() {
    # pip has one line for each of the 200 packages that are there already; they hide the rest.
    "$python" -m pip install --disable-pip-version-check "$@" |
        { grep -v '^Requirement already satisfied' || true; }
}

if [ -n "${TORCH_INDEX_URL:-}" ]; then
    # Both from one index: a torchvision built for another torch fails when it is imported.
    torch=$(sed -n 's/^\(torch\(vision\)\{0,1\}[^a-z# ]*\).*/\1/p' requirements.txt)
    # shellcheck disable=SC2086  # one word per package is meant
    install --index-url "$TORCH_INDEX_URL" $torch
fi
install -r "$requirements"
