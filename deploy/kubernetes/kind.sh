#!/bin/sh
# Makes a kind cluster with our images in it. Needs docker and kind.
#   deploy/kubernetes/kind.sh && deploy/kubernetes/roll-out.sh local
set -eu
cd "$(dirname "$0")/../.."
deploy/secrets.sh kubernetes
kind get clusters | grep -qx chirp || kind create cluster --name chirp
kubectl config use-context kind-chirp
for target in auth tweets notifier explorer prober router edge-config; do
    docker build --target "$target" --tag "chirp-$target:local" .
    kind load docker-image "chirp-$target:local" --name chirp
done
