#!/bin/sh
# Takes the next step of a rotation of auth's signing keys, in the Secret auth-files. Fails until the
# step is due. Three steps replace the key (docs/runbook.md); no pod restarts. The keys are on no disk
# and in no argument of a command.
#   deploy/kubernetes/rotate-keys.sh
#   deploy/kubernetes/rotate-keys.sh replace   # at once: every access token is refused
set -eu
# shellcheck source=deploy/services.sh
. "$(dirname "$0")/../services.sh"
secret=auth-files
entry=auth-signing-keys

kube() { kubectl --namespace "$project" "$@"; }

# The version makes the patch fail if the Secret has changed meanwhile.
found=$(kube get secret "$secret" --output \
    "go-template={{.metadata.resourceVersion}} {{index .data \"$entry\"}}")
version=${found%% *}
keys=$(printf '%s' "${found#* }" | base64 -d |
    kube exec --stdin deployment/auth -- python -m subgraphs.auth keys "${1:-rotate}" -)
[ -n "$keys" ]
printf '{"metadata":{"resourceVersion":"%s"},"data":{"%s":"%s"}}' \
    "$version" "$entry" "$(printf '%s\n' "$keys" | base64 | tr -d '\n')" |
    kube patch secret "$secret" --type merge --patch-file /dev/stdin
