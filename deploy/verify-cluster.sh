#!/usr/bin/env bash
# Installs the chart into a real cluster, with the tiny checkpoint of the tests, and runs `helm test`;
# then, while a client asks without a pause through the Service, deletes pods of each kind and upgrades.
# Every answer has to come, and all have to be the same.
#
#   deploy/verify-cluster.sh LOAD [VALUES]
#
# LOAD is a command that gives the nodes the images of a docker archive, whose name follows it.
# VALUES are further values for the cluster at hand, such as tolerations. It takes kubectl with a
# KUBECONFIG, helm and buildah from PATH or $TRIPTYCH_DEPLOY_BIN, processes from $TRIPTYCH_BIN or
# build/release/bin, and a base image named by $TRIPTYCH_BASE_IMAGE (debian:bookworm-slim).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
export PATH="${TRIPTYCH_DEPLOY_BIN:-$cache_dir/deploy/bin}:$PATH"

load=$1
values=${2:-/dev/null}
bin=${TRIPTYCH_BIN:-build/release/bin}
base=${TRIPTYCH_BASE_IMAGE:-debian:bookworm-slim}
namespace=triptych-verify
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { buildah bud -q --isolation chroot --format docker "$@" >/dev/null; }

build_images() {
  deploy/docker/collect-runtime "$bin" "$work/runtime"
  build --ignorefile deploy/docker/ignore --build-arg "BASE_IMAGE=$base" \
    --build-context "binaries=$work/runtime" -f deploy/docker/Dockerfile \
    -t localhost/triptych:verify .
  # The model travels in an image of its own, whose container copies it.
  mkdir "$work/model"
  cp -r tests/golden/xcomposer2-vl-tiny "$work/model/model"
  printf 'FROM %s\nCOPY model /model\n' "$base" >"$work/model/Dockerfile"
  build -t localhost/triptych-tiny:verify "$work/model"
  for image in triptych triptych-tiny; do
    buildah push -q "localhost/$image:verify" \
      "docker-archive:$work/$image.tar:localhost/$image:verify"
    $load "$work/$image.tar"
  done
  ls -l "$work"/*.tar >&2
}

cat >"$work/values.yaml" <<'E2'
image: {repository: localhost/triptych, tag: verify, pullPolicy: Never}
logFormat: text
models:
  - name: tiny
    source:
      init:
        image: localhost/triptych-tiny:verify
        pullPolicy: Never
        command: [sh, -c, "cp -r /model/. $MODEL_DIR"]
router: {resources: &small {requests: {cpu: 10m, memory: 64Mi}, limits: {memory: 2Gi}}}
coordinator: {resources: *small}
encoderDefaults: {resources: *small, threads: 1}
decoderDefaults: {resources: *small, threads: 1, kvBlocks: 512}
encoders: [{name: cpu, model: tiny, replicas: 1}]
decoders: [{name: cpu, model: tiny, replicas: 2}]
E2

upgrade() {
  helm upgrade --install --wait --timeout 10m verify helm/triptych -n $namespace \
    -f "$work/values.yaml" -f "$values" "$@" >/dev/null
}
k() { kubectl -n $namespace "$@"; }
pod_of() {
  k get pods -l "app.kubernetes.io/component=$1" -o jsonpath='{.items[0].metadata.name}'
}

# A pod that asks the same again and again, and writes one line for each answer.
start_client() {
  k delete pod client --ignore-not-found --now
  cat >"$work/client.py" <<'E2'
import json, sys, yaml
pod = next(d for d in yaml.safe_load_all(sys.stdin) if d and d["kind"] == "Pod")
pod["metadata"] = {"name": "client", "labels": pod["metadata"]["labels"]}
del pod["spec"]["activeDeadlineSeconds"]
container = pod["spec"]["containers"][0]
container["command"] = ["sh", "-c"]
container["args"] = ["""trap 'exit 0' TERM
while :; do
  answer=$(triptych generate --router verify-router:7071 --ignore-eos --max-new-tokens 200 \\
    --image /pictures/bars.png "What is in this picture?" 2>&1)
  status=$?
  [ $status = 0 ] || echo "$answer"
  echo "answer $status $(echo "$answer" | sha256sum | cut -c1-16)"
done"""]
print(json.dumps(pod))
E2
  helm get hooks verify -n $namespace | python3 "$work/client.py" | k apply -f - >/dev/null
  k wait --for=condition=Ready pod/client --timeout=60s
}
answers() { k logs client | grep -c '^answer' || true; }
more_answers() {
  local wanted=$(($(answers) + $1)) end=$((SECONDS + 240))
  until [ "$(answers)" -ge "$wanted" ]; do
    if [ $SECONDS -ge $end ]; then
      k logs client --tail=5 >&2
      echo "verify: the answers do not come" >&2
      exit 1
    fi
    sleep 1
  done
}

step "Building the images"
build_images
step "Installing"
kubectl create namespace $namespace --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl label --overwrite namespace $namespace \
  pod-security.kubernetes.io/enforce=restricted >/dev/null
upgrade
k get pods -o wide >&2
step "helm test"
helm test verify -n $namespace --logs
step "Asking without a pause"
start_client
more_answers 3
for component in decoder router coordinator encoder; do
  pod=$(pod_of $component)
  step "Deleting $pod"
  k delete pod "$pod" --wait=true
  more_answers 3
done
step "Killing a decoder at once"
k delete pod "$(pod_of decoder)" --grace-period=0 --force 2>/dev/null
more_answers 3
step "Upgrading"
upgrade --set decoderDefaults.maxSequences=32 --set router.maxRequests=1000
more_answers 3
k logs client >"$work/answers"
k delete pod client --now
sort "$work/answers" | cut -c1-220 | uniq -c >&2
if [ "$(sort -u "$work/answers" | wc -l)" != 1 ] || ! grep -q '^answer 0 ' "$work/answers"; then
  echo "verify: not all answers are the same" >&2
  exit 1
fi
helm uninstall verify -n $namespace --wait
step "$(wc -l <"$work/answers") answers, all the same"
