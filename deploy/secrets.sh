#!/bin/sh
# Generates the secrets of Compose and of the Kubernetes overlay `local`. Adds those that `.env` lacks
# and changes none that it has. Needs openssl only.
#
#   deploy/secrets.sh              completes .env, which `docker compose` reads
#   deploy/secrets.sh kubernetes   also writes them to deploy/kubernetes/overlays/local/secrets, and
#                                  the files with secrets, which Compose makes in a volume
set -eu
cd "$(dirname "$0")/.."
umask 077
file=.env
folder=deploy/kubernetes/overlays/local/secrets
# shellcheck source=deploy/services.sh
. deploy/services.sh

value_of() { sed -n "s/^$1=//p" "$file" | tail -n 1; }

add() {
    if [ -z "$(value_of "$1")" ]; then
        # A program that reads the first entry of a name must not find an empty one.
        sed "/^$1=\$/d" "$file" >"$file.new" && mv "$file.new" "$file"
        printf '%s=%s\n' "$1" "$2" >>"$file"
        echo "$1 is new" >&2
    fi
}

secret() { openssl rand -hex 32; }

# The base64url of a PKCS #8 P-256 key. Auth reads it as a ring of one key.
signing_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 |
        openssl pkcs8 -topk8 -nocrypt -outform DER | openssl base64 -A | tr '+/' '-_' | tr -d '='
}

password_of() { echo "$(echo "$1" | tr '[:lower:]' '[:upper:]')_DATABASE_PASSWORD"; }

touch "$file"
add ROUTER_SECRET "$(secret)"
add PROBER_SECRET "$(secret)"
echo "$secrets" | while read -r _ name kind; do
    case "$kind" in
    random) add "$name" "$(secret)" ;;
    esac
done
add POSTGRES_PASSWORD "$(secret)"
for service in $databases; do
    add "$(password_of "$service")" "$(secret)"
done
add REDIS_PASSWORD "$(secret)"
add GRAFANA_PASSWORD "$(secret)"

[ "${1:-}" = kubernetes ] || exit 0

settings() {
    for name; do
        printf '%s=%s\n' "$name" "$(value_of "$name")"
    done
}

secrets_of() {
    echo "$secrets" | while read -r owner name _; do
        if [ "$owner" = "$1" ]; then settings "$name"; fi
    done
}

mkdir -p "$folder"
settings ROUTER_SECRET >"$folder/edge.env"
settings PROBER_SECRET >"$folder/prober.env"
settings REDIS_PASSWORD >"$folder/redis.env"
settings POSTGRES_PASSWORD >"$folder/postgres.env"
for service in $subgraphs; do
    {
        settings ROUTER_SECRET
        echo "REDIS_URL=redis://:$(value_of REDIS_PASSWORD)@redis:6379/0"
        secrets_of "$service"
    } >"$folder/$service.env"
done
echo "$secret_files" | while read -r service name kind; do
    path=$folder/$service-files/$name
    [ -n "$name" ] && [ ! -e "$path" ] || continue
    mkdir -p "$folder/$service-files"
    case "$kind" in
    signing-keys) signing_key >"$path" ;;
    esac
    echo "$name is new" >&2
done
for service in $databases; do
    password=$(password_of "$service")
    settings "$password" >>"$folder/postgres.env"
    printf '%s_URL=postgresql://%s:%s@postgres:5432/%s\n' \
        "${password%_PASSWORD}" "$service" "$(value_of "$password")" "$service" >>"$folder/$service.env"
done
echo "The secrets are in $folder" >&2
