#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what would be published, wheel and sdist, where nothing of the checkout is in reach.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
python=$(realpath -s "${PYTHON:-.venv/bin/python}")
uv=$(realpath -s "${UV:-.venv/bin/uv}")
work=$(mktemp -d)
sandbox=
trap '[ -z "$sandbox" ] || kill "$sandbox"; rm -rf "$work"' EXIT

# uv builds the wheel from the sdist, so what the sdist lacks the wheel lacks as well.
"$uv" build --quiet --python "$python" --out-dir "$work/dist"
wheel=$(echo "$work"/dist/*.whl) sdist=$(echo "$work"/dist/*.tar.gz)

# The metadata, and whether a package index would render the README.
"$python" -m twine check --strict "$wheel" "$sdist"
"$python" scripts/check_contents.py "$wheel" "$sdist"

cd "$work"
export AIRFLOW_HOME="$work/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False

# into_clean_environment NAME REQUIREMENT…
into_clean_environment() {
    "$uv" venv --quiet --python "$python" "$work/$1"
    "$uv" pip install --quiet --python "$work/$1/bin/python" "${@:2}"
}

# Into a file first: a grep that leaves early would break the pipe and fail the script.
airflow_says() {
    "$work/$1/bin/airflow" "${@:3}" --output plain >said.txt 2>said.err || { cat said.err; exit 1; }
    grep -E "$2" said.txt && return
    cat said.txt said.err
    echo "airflow ${*:3} does not show: $2" >&2
    exit 1
}

for artefact in "$wheel" "$sdist"; do
    name=venv-${artefact##*.}
    into_clean_environment "$name" "$artefact"
    version=$("$work/$name/bin/python" -c 'import airflow_provider_pixverse as p; print(p.__version__)')
    airflow_says "$name" "^airflow-provider-pixverse +.* +$version *$" providers list
    "$work/$name/bin/python" "$root/scripts/check_installed.py"
done

# What Airflow makes of it; the rest it would take in silence.
airflow_says venv-whl '^pixverse ' providers hooks
airflow_says venv-whl '^pixverse_gallery ' plugins
airflow_says venv-whl 'airflow-provider-pixverse' providers get airflow-provider-pixverse

# Whoever installs the provider beside pytest loads its plugin with every run, extras or not.
"$uv" pip install --quiet --python "$work/venv-whl/bin/python" pytest
"$work/venv-whl/bin/python" -m pytest --help >/dev/null
echo "wheel and sdist $version: install, register and import without extras"

"$uv" pip install --quiet --python "$work/venv-whl/bin/python" "$wheel[sandbox]"
"$work/venv-whl/bin/python" -um airflow_provider_pixverse.sandbox --port 0 >sandbox.txt 2>sandbox.err &
sandbox=$!
for _ in $(seq 60); do
    grep -c AIRFLOW_CONN_PIXVERSE_DEFAULT sandbox.txt | grep -qx 3 && break
    kill -0 "$sandbox" || { cat sandbox.err; exit 1; }
    sleep 0.5
done
eval "export $(head -1 sandbox.txt)"
"$work/venv-whl/bin/python" "$root/scripts/check_installed.py" --ask
echo "wheel[sandbox] $version: serves the gateways, and the provider finds them"
