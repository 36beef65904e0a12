#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the built wheel, without extras, where nothing of the checkout is in reach.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$(realpath -s "${PYTHON:-.venv/bin/python}")
uv=$(realpath -s "${UV:-.venv/bin/uv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$uv" build --quiet --wheel --python "$python" --out-dir "$work/dist"

"$python" - "$work"/dist/*.whl <<'PY'
import sys, zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
stray = [n for n in names if not n.startswith(("airflow_provider_pixverse/", "airflow_provider_pixverse-"))]
assert not stray, f"not part of the package, but in the wheel: {stray}"
for needed in ("py.typed", "get_provider_info.py", "sandbox/__main__.py"):
    assert f"airflow_provider_pixverse/{needed}" in names, f"missing from the wheel: {needed}"
PY

"$uv" venv --quiet --python "$python" "$work/venv"
"$uv" pip install --quiet --python "$work/venv/bin/python" "$work"/dist/*.whl

cd "$work"
export AIRFLOW_HOME="$work/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False
version=$("$work/venv/bin/python" -c 'import airflow_provider_pixverse as p; print(p.__version__)')

# Into a file first: a grep that leaves early would break the pipe and fail the script.
"$work/venv/bin/airflow" providers list --output plain >providers.txt 2>providers.err || { cat providers.err; exit 1; }
grep -E "^airflow-provider-pixverse +.* +$version *$" providers.txt || {
    cat providers.txt providers.err
    echo "airflow providers list does not show airflow-provider-pixverse $version" >&2
    exit 1
}
"$work/venv/bin/airflow" providers hooks --output plain >hooks.txt 2>hooks.err || { cat hooks.err; exit 1; }
grep -E '^pixverse ' hooks.txt || {
    cat hooks.txt hooks.err
    echo 'airflow does not know the connection type pixverse' >&2
    exit 1
}

"$work/venv/bin/python" - <<'PY'
import importlib

for module in ("hooks", "operators", "sensors", "triggers", "links"):
    importlib.import_module(f"airflow_provider_pixverse.{module}.pixverse")
PY

# Whoever installs the provider beside pytest loads its plugin with every run, extras or not.
"$uv" pip install --quiet --python "$work/venv/bin/python" pytest
"$work/venv/bin/python" -m pytest --help >/dev/null
echo "wheel $version: installs, registers and imports without extras"
