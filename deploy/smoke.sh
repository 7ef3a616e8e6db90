#!/bin/sh
# Does a system that is running do what it should, seen from outside? Changes nothing.
#   deploy/smoke.sh https://chirp.example.com
set -eu
# shellcheck source=deploy/services.sh
. "$(dirname "$0")/services.sh"
url=${1:?Which? deploy/smoke.sh http://localhost:4000}

ask() { curl --silent --show-error --max-time 15 "$@"; }
status() { ask --output /dev/null --write-out '%{http_code}' "$@"; }
query() { status "$url/graphql" -H 'content-type: application/json' -d '{"query":"{ me { id } }"}' "$@"; }

expect() {
    if [ "$2" = "$3" ]; then
        echo "ok      $1"
    else
        echo "failed  $1: $3 instead of $2" >&2
        exit 1
    fi
}

# A load balancer may need a moment to find those that have just started.
attempts=0
until [ "$(status "$url/healthz" || true)" = 200 ] || [ $attempts -ge "${SMOKE_ATTEMPTS:-30}" ]; do
    attempts=$((attempts + 1))
    sleep 2
done
expect "everything behind the edge is ready" 200 "$(status "$url/healthz")"
expect "the router answers who is nobody" '{"data":{"me":null}}' \
    "$(ask "$url/graphql" -H 'content-type: application/json' -d '{"query":"{ me { id } }"}')"
expect "a token of nobody is refused" 401 "$(query -H 'authorization: Bearer not-a-token')"
expect "an identity from outside is none" '{"data":{"me":null}}' \
    "$(ask "$url/graphql" -H 'content-type: application/json' -H 'x-auth-user-id: somebody' \
        -H 'x-auth-scopes: account:read' -d '{"query":"{ me { id } }"}')"
expect "the public keys are there" 200 "$(status "$url/.well-known/jwks.json")"
case " $services " in
*" notifier "*) expect "an unsubscribe page is there" 400 "$(status "$url/email/unsubscribe?token=none")" ;;
esac
