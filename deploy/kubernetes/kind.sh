#!/bin/sh
# Creates a kind cluster and loads our images into it. Needs Docker with Compose, and kind.
#   deploy/kubernetes/kind.sh && deploy/kubernetes/roll-out.sh local
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/services.sh
. deploy/services.sh
deploy/secrets.sh kubernetes
kind get clusters | grep -qx "$project" || kind create cluster --name "$project"
kubectl config use-context "kind-$project"
docker compose --project-name "$project" --profile observability build
for image in $images; do
    docker tag "$project-$image" "$project-$image:local"
    kind load docker-image "$project-$image:local" --name "$project"
done
