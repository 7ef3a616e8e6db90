#!/bin/sh
# Brings an overlay into the cluster that kubectl points at: migrations first, then the services,
# the router, the edge, each when the one before serves; then the smoke test, and at last the
# CronJobs. What fails before the services leaves every running pod as it was; Services, policies
# and settings are new already. What fails later is rolled back. A migration never is: it has to
# suit the code before it as well (docs/adr/0014).
#
#   deploy/kubernetes/roll-out.sh OVERLAY [URL of the edge, for the smoke test]
set -eu
cd "$(dirname "$0")"
# shellcheck source=deploy/services.sh
. ../services.sh
overlay=${1:?Which overlay? local or digitalocean}
url=${2:-}
timeout=${ROLL_OUT_TIMEOUT:-300s}

cluster() { kubectl --namespace "$project" "$@"; }
revision() {
    cluster get deployment "$1" --ignore-not-found \
        --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'
}
say() { printf '==> %s\n' "$1"; }

manifests=$(mktemp)
trap 'rm -f "$manifests"' EXIT
kubectl kustomize "overlays/$overlay" >"$manifests"

before=
for name in $services router edge prober; do
    before="$before $name=$(revision "$name")"
done

roll_back() {
    say "$1: rolling back"
    for entry in $before; do
        name=${entry%%=*} old=${entry#*=}
        now=$(revision "$name")
        if [ -z "$old" ]; then
            echo "$name was not there before: nothing to go back to" >&2
        elif [ "$now" != "$old" ]; then
            cluster rollout undo "deployment/$name" --to-revision "$old"
            cluster rollout status "deployment/$name" --timeout "$timeout" ||
                echo "$name does not come back by itself" >&2
        fi
    done
    exit 1
}

roll_out() {
    say "Rolling out $*"
    names=$(echo "$*" | tr ' ' ',')
    kubectl apply --filename "$manifests" \
        --selector "app.kubernetes.io/component=service,app.kubernetes.io/name in ($names)" ||
        roll_back "$* could not be applied"
    for name; do
        cluster rollout status "deployment/$name" --timeout "$timeout" ||
            roll_back "$name does not become ready"
    done
}

say "Settings, policies and migrations"
cluster delete job --selector app.kubernetes.io/component=migration --ignore-not-found
kubectl apply --filename "$manifests" --selector "app.kubernetes.io/component notin (service,cron)"
if ! cluster wait --for condition=complete job --selector app.kubernetes.io/component=migration \
    --timeout "$timeout"; then
    cluster logs --selector app.kubernetes.io/component=migration --tail 20 --prefix || true
    echo "A migration has not come to its end; what was running goes on." >&2
    exit 1
fi

# shellcheck disable=SC2086  # the names are words
roll_out $services
roll_out router
roll_out edge prober

if [ -n "$url" ]; then
    say "Smoke test"
    ../smoke.sh "$url" || roll_back "The smoke test failed"
fi

say "What runs at night"
kubectl apply --filename "$manifests" --selector app.kubernetes.io/component=cron
say "Done"
