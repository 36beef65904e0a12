#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every benchmark, one after the other; each prints one line. Some ten minutes on a quiet machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PYTHON=$(cd .. && command -v "${PYTHON:-python3}" | xargs realpath --no-symlinks)

printf '%s, %s processors, load %s\n' "$("$PYTHON" --version)" "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)"
"$PYTHON" waiting.py --columns
# 25 of its polls are under way at a time; with more than 30 connections it is the pool that takes the time.
for connections in 30 100; do
    for who in plain-loop provider; do "$PYTHON" waiting.py --who "$who" --connections "$connections"; done
done
for who in client-each official; do "$PYTHON" waiting.py --who "$who" --waits 500; done
"$PYTHON" waiting.py --who provider --waits 20000 --interval 60
"$PYTHON" importing.py
"$PYTHON" saving.py
