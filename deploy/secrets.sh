#!/bin/sh
# Makes the secrets that Compose and a Kubernetes cluster of one's own need: what `.env` lacks is
# added to it, and what it holds is never changed. Needs openssl, and neither Python nor Docker.
#
#   deploy/secrets.sh              completes .env, which `docker compose` reads
#   deploy/secrets.sh kubernetes   the same, and writes them for deploy/kubernetes/overlays/local
set -eu
cd "$(dirname "$0")/.."
umask 077
file=.env
secrets=deploy/kubernetes/overlays/local/secrets

value_of() { sed -n "s/^$1=//p" "$file" | tail -n 1; }

add() {
    if [ -z "$(value_of "$1")" ]; then
        # An empty entry would hide the new one from whoever reads the first.
        sed "/^$1=\$/d" "$file" >"$file.new" && mv "$file.new" "$file"
        printf '%s=%s\n' "$1" "$2" >>"$file"
        echo "$1 is new" >&2
    fi
}

secret() { openssl rand -hex 32; }

# base64url of a PKCS #8 P-256 key, as `python -m subgraphs.auth keys new` prints it
signing_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 |
        openssl pkcs8 -topk8 -nocrypt -outform DER | openssl base64 -A | tr '+/' '-_' | tr -d '='
}

touch "$file"
add ROUTER_SECRET "$(secret)"
add AUTH_SIGNING_KEYS "$(signing_key)"
add AUTH_REFRESH_SECRET "$(secret)"
add NOTIFIER_UNSUBSCRIBE_SECRET "$(secret)"
add PROBER_SECRET "$(secret)"
add POSTGRES_PASSWORD "$(secret)"
add AUTH_DATABASE_PASSWORD "$(secret)"
add TWEETS_DATABASE_PASSWORD "$(secret)"
add NOTIFIER_DATABASE_PASSWORD "$(secret)"
add REDIS_PASSWORD "$(secret)"
add GRAFANA_PASSWORD "$(secret)"

[ "${1:-}" = kubernetes ] || exit 0

database() { echo "postgresql://$1:$(value_of "$2")@postgres:5432/$1"; }
redis="redis://:$(value_of REDIS_PASSWORD)@redis:6379/0"
router="ROUTER_SECRET=$(value_of ROUTER_SECRET)"

mkdir -p "$secrets"
printf '%s\n' "$router" >"$secrets/edge.env"
printf '%s\n' "$router" "REDIS_URL=$redis" \
    "AUTH_DATABASE_URL=$(database auth AUTH_DATABASE_PASSWORD)" \
    "AUTH_SIGNING_KEYS=$(value_of AUTH_SIGNING_KEYS)" \
    "AUTH_REFRESH_SECRET=$(value_of AUTH_REFRESH_SECRET)" >"$secrets/auth.env"
printf '%s\n' "$router" "REDIS_URL=$redis" \
    "TWEETS_DATABASE_URL=$(database tweets TWEETS_DATABASE_PASSWORD)" >"$secrets/tweets.env"
printf '%s\n' "$router" "REDIS_URL=$redis" \
    "NOTIFIER_DATABASE_URL=$(database notifier NOTIFIER_DATABASE_PASSWORD)" \
    "NOTIFIER_UNSUBSCRIBE_SECRET=$(value_of NOTIFIER_UNSUBSCRIBE_SECRET)" >"$secrets/notifier.env"
for name in POSTGRES_PASSWORD AUTH_DATABASE_PASSWORD TWEETS_DATABASE_PASSWORD \
    NOTIFIER_DATABASE_PASSWORD; do
    printf '%s=%s\n' "$name" "$(value_of "$name")"
done >"$secrets/postgres.env"
printf 'PROBER_SECRET=%s\n' "$(value_of PROBER_SECRET)" >"$secrets/prober.env"
printf 'REDIS_PASSWORD=%s\n' "$(value_of REDIS_PASSWORD)" >"$secrets/redis.env"
echo "The secrets are in $secrets" >&2
