#!/bin/sh
# Checks the alert rules and runs their unit tests (rule-tests/) with promtool: the one on PATH, or the
# one in the Prometheus image of docker-compose.yml. `make alerts` runs it.
set -eu
cd "$(dirname "$0")"

if command -v promtool >/dev/null; then
    promtool check rules rules/*.yml
    exec promtool test rules rule-tests/*.yml
fi
if ! command -v docker >/dev/null; then
    echo "The alert rules need promtool or Docker. promtool is in Debian's package prometheus, in" \
        "Homebrew's prometheus, and in every release of Prometheus." >&2
    exit 1
fi
image=$(sed -n 's/^ *image: \(prom\/prometheus:[^ ]*\)$/\1/p' ../../docker-compose.yml)
exec docker run --rm --network none --volume "$PWD:/observability:ro" --workdir /observability \
    --entrypoint sh "$image" -c 'promtool check rules rules/*.yml && promtool test rules rule-tests/*.yml'
