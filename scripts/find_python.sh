#!/bin/sh
# Print the first Python that is new enough; $PYTHON, if set, is the only candidate.
set -eu

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if new_enough "$candidate"; then
        command -v "$candidate"
        exit 0
    fi
done

if [ -n "${PYTHON:-}" ]; then
    echo "PYTHON=$PYTHON is no Python 3.11 or newer: name another one, or leave PYTHON out." >&2
else
    echo "SamGeo Studio needs Python 3.11 or newer and found none on the PATH." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.12 run" >&2
fi
exit 1
