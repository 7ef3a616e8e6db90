#!/bin/sh
# Installs a list of packages, with their hashes, by uv: stack/install.sh PYTHON LIST
set -eu
python=$1 list=$2
bin=$(dirname "$0")/../.venv/bin

# uv takes seconds where pip takes a minute, and does not read the settings of pip: those that name
# the source of packages are passed on.
base=$(sed -n 's/^executable = //p' "$bin/../pyvenv.cfg")
pip_settings=$("$base" -m pip config list 2>/dev/null || "$bin/python" -m pip config list 2>/dev/null || true)
pip_setting() { printf '%s\n' "$pip_settings" | sed -n "s/^global\.$1='\(.*\)'\$/\1/p" | sed 's/\\n/ /g'; }
index=${PIP_INDEX_URL:-$(pip_setting index-url)}
extra=${PIP_EXTRA_INDEX_URL:-$(pip_setting extra-index-url)}
links=${PIP_FIND_LINKS:-$(pip_setting find-links)}
proxy=${PIP_PROXY:-$(pip_setting proxy)}
certificates=${PIP_CERT:-$(pip_setting cert)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
[ -z "$extra" ] || export UV_INDEX="${UV_INDEX:-$extra}"
[ -z "$links" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"
[ -z "$proxy" ] || export HTTPS_PROXY="${HTTPS_PROXY:-$proxy}"
[ -z "$certificates" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificates}"

exec "$bin/uv" pip install --python "$python" --quiet --require-hashes -r "$list"
