#!/bin/sh
# Installs requirements/dev.txt and the packages of this repository into .venv; does nothing while
# both are current.
set -eu
cd "$(dirname "$0")/.."

environment=.venv
stamp=$environment/.installed

say() { printf '==> %s\n' "$1" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3 python; do
        if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    say "There is no Python 3.11 or newer here. Install one (https://www.python.org/downloads/ or"
    say "your system's package manager), or name one: make PYTHON=/path/to/python3.12 up"
    exit 1
}

# Identifies the requirements and the Python that installs them.
wanted() { { "$environment/bin/python" --version; cat requirements/uv.txt requirements/dev.txt packages/*/pyproject.toml; } | cksum; }

# Its scripts contain its path, so an environment that was moved or copied cannot be used.
usable() {
    new_enough "$environment/bin/python" && "$environment/bin/python" -m pip --version >/dev/null 2>&1 &&
        "$environment/bin/python" -c 'import sys, pathlib
sys.exit(sys.argv[1] not in pathlib.Path(sys.prefix, "bin", "pip").read_text().partition("\n")[0])' \
        "$PWD/$environment/" 2>/dev/null
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$PWD $(wanted 2>/dev/null)" ]; then
    exit 0
fi

if ! usable; then
    python=$(find_python)
    say "Making the environment $environment with $("$python" --version)"
    if ! "$python" -m venv --clear "$environment"; then
        say "$python cannot make an environment. On Debian and Ubuntu the module venv is a package of"
        say "its own (python3-venv). Without root, name another Python: make PYTHON=/path/to/it up"
        exit 1
    fi
fi

say "Installing the packages of requirements/dev.txt (once, some seconds)"
if ! "$environment/bin/python" -m pip install --disable-pip-version-check --quiet --require-hashes \
    -r requirements/uv.txt ||
    ! stack/install.sh "$environment/bin/python" requirements/dev.txt ||
    # The packages of this repository have no hashes; all that they and their build need is installed.
    ! "$environment/bin/uv" pip install --python "$environment/bin/python" --quiet --offline \
        --no-deps --no-build-isolation $(printf -- '--editable %s ' packages/*/); then
    say "The packages could not be installed. The first start needs a network that reaches PyPI."
    say "Behind a proxy set HTTPS_PROXY; for another index set PIP_INDEX_URL (or UV_DEFAULT_INDEX),"
    say "for other certificates SSL_CERT_FILE. Then run the same command again."
    exit 1
fi
printf '%s' "$PWD $(wanted)" >"$stamp"
