#!/bin/sh
# Checks a running system from outside, without changing anything.
#   deploy/smoke.sh https://chirp.example.com
set -eu
# shellcheck source=deploy/services.sh
. "$(dirname "$0")/services.sh"
url=${1:?Give the URL of the edge: deploy/smoke.sh http://localhost:4000}

ask() { curl --silent --show-error --max-time 15 "$@"; }
status() { ask --output /dev/null --write-out '%{http_code}' "$@"; }
query() { status "$url/graphql" -H 'content-type: application/json' -d '{"query":"{ me { id } }"}' "$@"; }

expect() {
    if [ "$2" = "$3" ]; then
        echo "ok      $1"
    else
        echo "failed  $1: got $3, expected $2" >&2
        exit 1
    fi
}

# A load balancer may need a moment to find pods that have just started.
attempts=0
until [ "$(status "$url/healthz" || true)" = 200 ] || [ $attempts -ge "${SMOKE_ATTEMPTS:-30}" ]; do
    attempts=$((attempts + 1))
    sleep 2
done
expect "everything behind the edge is ready" 200 "$(status "$url/healthz")"
expect "the router answers an anonymous request" '{"data":{"me":null}}' \
    "$(ask "$url/graphql" -H 'content-type: application/json' -d '{"query":"{ me { id } }"}')"
expect "an invalid token is refused" 401 "$(query -H 'authorization: Bearer not-a-token')"
expect "identity headers from outside are ignored" '{"data":{"me":null}}' \
    "$(ask "$url/graphql" -H 'content-type: application/json' -H 'x-auth-user-id: somebody' \
        -H 'x-auth-scopes: account:read' -d '{"query":"{ me { id } }"}')"
expect "the public keys are served" 200 "$(status "$url/.well-known/jwks.json")"
expect "the pages of accounts are served" 200 "$(status "$url/account/forgot-password")"
case " $services " in
*" notifier "*) expect "the unsubscribe page is served" 400 "$(status "$url/email/unsubscribe?token=none")" ;;
esac
