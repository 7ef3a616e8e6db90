#!/bin/sh
# Installs requirements/LIST.txt and the packages of this repository into .venv: stack/setup.sh LIST.
# LIST is `stack`, which suffices to run the system, or `dev`, all that tests and tools need too.
# Does nothing while both are current.
set -eu
cd "$(dirname "$0")/.."

list=$1
environment=.venv

say() { printf '==> %s\n' "$1" >&2; }

# Runs a command as a step and shows its time; on a terminal a line counts the seconds meanwhile.
timed() {
    text=$1 begun=$(date +%s) ticker='' status=0
    shift
    if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then
        while kill -0 $$ 2>/dev/null; do
            printf '\r\033[K    %s %d s' "$text" $(($(date +%s) - begun)) >&2
            sleep 1
        done &
        ticker=$!
    fi
    "$@" || status=$?
    if [ -n "$ticker" ]; then
        kill "$ticker"
        printf '\r\033[K' >&2
    fi
    [ "$status" -ne 0 ] || say "$text  $(($(date +%s) - begun)) s"
    return "$status"
}

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

# Identifies a list, and the Python and the folder that it is installed for. An environment that was
# moved or copied cannot be used: its scripts contain its path.
wanted() {
    printf '%s ' "$PWD"
    { "$environment/bin/python" --version; cat requirements/uv.txt "requirements/$1.txt" packages/*/pyproject.toml; } | cksum
}

stamp() { printf '%s/.installed-%s' "$environment" "$1"; }

usable() {
    new_enough "$environment/bin/python" && grep -qsF "$PWD " "$environment"/.installed-*
}

# uv comes by the pip of the Python itself, where it has one: to make another takes seconds.
install_uv() {
    base=$(sed -n 's/^executable = //p' "$environment/pyvenv.cfg")
    set -- install --disable-pip-version-check --quiet --require-hashes -r requirements/uv.txt
    if "$base" -m pip --version >/dev/null 2>&1; then
        "$base" -m pip --python "$environment/bin/python" "$@"
    else
        "$environment/bin/python" -m ensurepip >/dev/null && "$environment/bin/python" -m pip "$@"
    fi
}

# The packages of this repository have no hashes; all that they and their build need is installed.
install_own() {
    "$environment/bin/uv" pip install --python "$environment/bin/python" --quiet --offline \
        --no-deps --no-build-isolation $(printf -- '--editable %s ' packages/*/)
}

if [ "$(cat "$(stamp "$list")" 2>/dev/null)" = "$(wanted "$list" 2>/dev/null)" ]; then
    exit 0
fi

if ! usable; then
    python=$(find_python)
    say "Making the environment $environment with $("$python" --version)"
    if ! "$python" -m venv --without-pip --clear "$environment"; then
        say "$python cannot make an environment. On Debian and Ubuntu the module venv is a package of"
        say "its own (python3-venv). Without root, name another Python: make PYTHON=/path/to/it up"
        exit 1
    fi
    # It goes on beside the installation of the packages, and beside the start that follows.
    [ "$list" != stack ] || "$python" -m stack fetch &
fi

install_all() {
    install_uv && stack/install.sh "$environment/bin/python" "requirements/$list.txt" && install_own
}

if ! timed "Installing the packages of requirements/$list.txt (once)" install_all; then
    say "The packages could not be installed. The first start needs a network that reaches PyPI."
    say "Behind a proxy set HTTPS_PROXY; for another index set PIP_INDEX_URL (or UV_DEFAULT_INDEX),"
    say "for other certificates SSL_CERT_FILE. Then run the same command again."
    exit 1
fi
wanted "$list" >"$(stamp "$list")"
[ "$list" != dev ] || wanted stack >"$(stamp stack)" # which dev contains
