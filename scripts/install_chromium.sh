#!/bin/sh
# See to it that the browser tests find a Chromium: the system's own, or Debian's package.
set -eu

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing Debian's Chromium for the browser tests"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    # Without fonts, pages have boxes where text should be, Chinese ones too.
    apt-get install -y --no-install-recommends chromium fonts-liberation fonts-wqy-microhei
    command -v chromium >/dev/null 2>&1 && exit 0
fi

echo "The browser tests need Chromium on the PATH, and this script may not install it here." >&2
echo "Install it with your system's packages (Debian: sudo apt-get install chromium)." >&2
exit 1
