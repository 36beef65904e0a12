#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes sure that there is a Chromium for the browser tests: Debian's, where this may install it.
set -euo pipefail

[ -n "${CHROMIUM:-}" ] && exit
command -v chromium google-chrome >/dev/null && exit
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
else
    echo 'The browser tests need Chromium: apt-get install chromium, or name one in CHROMIUM=…' >&2
    exit 1
fi
