#!/bin/sh
# Brings an overlay into the cluster that kubectl points at: migrations, services, router, edge, each
# once the step before is ready; then the smoke test, and the CronJobs last. A failure before the
# services changes no running pod, but Services, policies and settings are the new ones already. A later
# failure is rolled back to the revisions before. A migration never is: it must suit the code before it
# as well (docs/adr/0014).
#
#   deploy/kubernetes/roll-out.sh OVERLAY [URL of the edge, for the smoke test]
set -eu
cd "$(dirname "$0")"
# shellcheck source=deploy/services.sh
. ../services.sh
overlay=${1:?Give the overlay: local or digitalocean}
url=${2:-}
timeout=${ROLL_OUT_TIMEOUT:-300s}
migrations=app.kubernetes.io/component=migration

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
            echo "$name is new: it has no revision to go back to" >&2
        elif [ "$now" != "$old" ]; then
            cluster rollout undo "deployment/$name" --to-revision "$old"
            cluster rollout status "deployment/$name" --timeout "$timeout" ||
                echo "$name is not ready after the roll-back: look at it" >&2
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
            roll_back "$name is not ready"
    done
}

# Returns 1 as soon as one migration has failed for good, and at the timeout.
migrations_complete() {
    cluster wait --for condition=complete job --selector "$migrations" --timeout "$timeout" &
    waiting=$!
    while kill -0 "$waiting" 2>/dev/null; do
        if cluster get job --selector "$migrations" --output \
            'jsonpath={.items[*].status.conditions[?(@.type=="Failed")].status}' | grep -q True; then
            kill "$waiting"
            return 1
        fi
        sleep 1
    done
    wait "$waiting"
}

# A pod that stops goes on serving for a while: the smoke test would test the release before.
old_pods_end() {
    stopping=$(cluster get pods --output \
        'go-template={{range .items}}{{if .metadata.deletionTimestamp}}pod/{{.metadata.name}} {{end}}{{end}}')
    # shellcheck disable=SC2086  # the names are words
    [ -z "$stopping" ] || cluster wait --for delete $stopping --timeout "$timeout"
}

say "Settings, policies and migrations"
cluster delete job --selector "$migrations" --ignore-not-found
kubectl apply --filename "$manifests" --selector "app.kubernetes.io/component notin (service,cron)"
if ! migrations_complete; then
    cluster logs --selector "$migrations" --tail 20 --prefix || true
    echo "A migration is not complete. The running services are unchanged." >&2
    exit 1
fi

# shellcheck disable=SC2086  # the names are words
roll_out $services
roll_out router
roll_out edge prober

if [ -n "$url" ]; then
    say "Waiting for the old pods to end"
    old_pods_end || roll_back "The old pods do not end"
    say "Smoke test"
    ../smoke.sh "$url" || roll_back "The smoke test failed"
fi

say "Scheduled commands"
kubectl apply --filename "$manifests" --selector app.kubernetes.io/component=cron
say "Done"
