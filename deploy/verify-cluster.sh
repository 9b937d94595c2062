#!/usr/bin/env bash
# Installs the chart into a real cluster with the pictogram model, runs `helm test`, asks about a
# picture, deletes pods of each kind and upgrades while clients ask without a pause through the
# Service, and uninstalls. Every answer has to come, and has to be the undisturbed one. Then it lets
# the pools be scaled (verify-scaling.sh). Prints the figures that it saw; takes about 40 minutes.
#
#   deploy/verify-cluster.sh [STEP...]    of: images install ask delete upgrade uninstall scaling
#
# It takes the cluster from KUBECONFIG; kubectl, helm and buildah from PATH or $TRIPTYCH_DEPLOY_BIN.
#   TRIPTYCH_LOAD_IMAGE  a command that gives the nodes the images of a docker archive, whose name
#                        follows it
#   TRIPTYCH_VALUES      a file of further values for the cluster at hand, such as tolerations
#   TRIPTYCH_MODEL       the checkpoint's folder on the nodes (models/pictogram/assemble prints it)
#   TRIPTYCH_BIN         processes (build/release/bin)
#   TRIPTYCH_BASE_IMAGE  of the image (debian:bookworm-slim)
#   TRIPTYCH_SECURE=1    with TLS and API keys for clients, and TLS between the processes
#   TRIPTYCH_STREAMS     to come to their ends during upgrades (500)
#   TRIPTYCH_TRACE       where the scaling trace goes (deploy/scaling)
# A step can be run again alone as long as those before it stand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
export PATH="${TRIPTYCH_DEPLOY_BIN:-$cache_dir/deploy/bin}:$PATH"

values=${TRIPTYCH_VALUES:-/dev/null}
bin=${TRIPTYCH_BIN:-build/release/bin}
base=${TRIPTYCH_BASE_IMAGE:-debian:bookworm-slim}
wanted=${TRIPTYCH_STREAMS:-500}
namespace=triptych-verify
picture=models/pictogram/examples/tiger.png
short=6 long=2 long_tokens=200 # askers; tokens of a long answer
secure=()
[ "${TRIPTYCH_SECURE:-}" != 1 ] || secure=(-f deploy/cluster/secure.yaml)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  k logs client --tail=5 >&2 || true
  echo "verify: $*" >&2
  exit 1
}
figure() { printf '%-58s %s\n' "$1" "$2"; }
k() { kubectl -n $namespace "$@"; }
quiet() { "$@" 2> >(grep -v 'found symbolic link' >&2); }

images() {
  deploy/docker/collect-runtime "$bin" "$work/runtime"
  buildah bud -q --isolation chroot --format docker --ignorefile deploy/docker/ignore \
    --build-arg "BASE_IMAGE=$base" --build-context "binaries=$work/runtime" \
    -f deploy/docker/Dockerfile -t localhost/triptych:verify . >/dev/null
  buildah push -q localhost/triptych:verify \
    "docker-archive:$work/triptych.tar:localhost/triptych:verify"
  ${TRIPTYCH_LOAD_IMAGE:?a command that gives the nodes an image} "$work/triptych.tar" >&2
  figure "image" "$(($(stat -c %s "$work/triptych.tar") / 1000000)) MB"
}

# Installs, or upgrades, with further values for helm.
deploy() {
  quiet helm upgrade --install --wait --timeout 15m verify helm/triptych -n $namespace \
    -f deploy/cluster/values.yaml "${secure[@]}" -f "$values" "$@" >/dev/null
}

# A Secret of a certificate for the names, which is its own authority.
certificate() { # SECRET NAME...
  local secret=$1 names
  shift
  names=$(printf ',DNS:%s' "$@")
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN="$secret" \
    -addext "subjectAltName=${names#,}" -out "$work/$secret.crt" -keyout "$work/$secret.key" 2>/dev/null
  secret "$secret" --from-file "tls.crt=$work/$secret.crt" --from-file "tls.key=$work/$secret.key" \
    --from-file "ca.crt=$work/$secret.crt"
}
secret() { k create secret generic "$@" --dry-run=client -o yaml | k apply -f - >/dev/null; }
make_secrets() {
  local key
  key=$(openssl rand -hex 24)
  certificate public-tls verify-router
  certificate internal-tls triptych-coordinator triptych-router triptych-worker triptych-admin
  secret keys --from-literal "api-keys=client:$key" --from-literal "api-key=$key"
}

install() {
  local model=${TRIPTYCH_MODEL:-$(models/pictogram/assemble)} begin
  kubectl create namespace $namespace --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  kubectl label --overwrite namespace $namespace \
    pod-security.kubernetes.io/enforce=restricted >/dev/null
  sed "s|NAMESPACE|$namespace|; s|FOLDER|$model|" deploy/cluster/model.yaml |
    kubectl apply -f - >/dev/null
  [ ${#secure[@]} = 0 ] || make_secrets
  begin=$SECONDS
  deploy
  figure "helm install --wait" "$(k get pods --no-headers | wc -l) pods, $((SECONDS - begin)) s"
  helm test verify -n $namespace --logs >"$work/test"
  grep -A50 '^POD LOGS' "$work/test" >&2
  figure "helm test" "$(grep -m1 Phase: "$work/test" | awk '{print $2}')"
}

# Starts the askers anew.
start_client() {
  k delete pod,configmap client --ignore-not-found --now >/dev/null
  k create configmap client --from-file deploy/cluster/client.sh \
    --from-file "picture.png=$picture" >/dev/null
  helm get hooks verify -n $namespace | python3 deploy/cluster/client_pod.py \
    verify-router:7071 $short $long $long_tokens | k apply -f - >/dev/null
  k wait --for=condition=Ready pod/client --timeout=60s >/dev/null
  more_answers 9 # the undisturbed ones, and some
}
stop_client() {
  k logs client >"$work/answers"
  k delete pod,configmap client --now >/dev/null
}
answers() { k logs client | grep -c '^answer' || true; }
more_answers() {
  local goal=$(($(answers) + $1)) end=$((SECONDS + 600))
  until [ "$(answers)" -ge "$goal" ]; do
    [ $SECONDS -lt $end ] || fail "the answers do not come"
    sleep 1
  done
}

# Of the answers that ended between two times all came, and are what the client's first ones are.
#   judge WHAT BEGIN END
judge() {
  awk -v begin="$2" -v end="$3" '$1 == "answer" && $3 >= begin && $3 <= end' "$work/answers" \
    >"$work/judged"
  local failed different
  failed=$(awk '$5 != 0' "$work/judged" | wc -l)
  different=$(awk 'NR == FNR {if (!($4 in first)) first[$4] = $6; next} $6 != first[$4]' \
    <(grep '^answer' "$work/answers") "$work/judged" | wc -l)
  figure "$1: streams, failed, different answers" \
    "$(wc -l <"$work/judged"), $failed, $different"
  if [ "$failed" != 0 ] || [ "$different" != 0 ]; then
    grep -v '^answer' "$work/answers" | sort | uniq -c >&2 || true
    fail "$1: answers failed or are different"
  fi
}

ask() {
  local begin
  begin=$(date +%s)
  start_client
  # shellcheck disable=SC2016 # the pod's environment
  k exec client -- sh -c 'triptych generate --router verify-router:7071 ${CLIENT_OPTIONS:-} \
    --max-new-tokens 8 --image /client/picture.png "What is in this picture?"' >"$work/answer"
  figure "what is in $(basename $picture), through the Service" "$(cat "$work/answer")"
  stop_client
  judge "undisturbed" "$begin" "$(date +%s)"
}

delete() {
  start_client
  local begin pod component
  for component in router coordinator encoder decoder; do
    pod=$(k get pods -l "app.kubernetes.io/component=$component" \
      -o jsonpath='{.items[0].metadata.name}')
    begin=$(date +%s)
    k delete pod "$pod" --wait=true >/dev/null
    k rollout status --timeout=10m \
      "$(k get deployment -l "app.kubernetes.io/component=$component" -o name)" >/dev/null
    more_answers 12
    k logs client >"$work/answers"
    judge "$component deleted" "$begin" "$(date +%s)"
  done
  stop_client
}

# Rolls every pool, again and again until so many streams have ended meanwhile.
upgrade() {
  start_client
  local begin round=0 count=0
  begin=$(date +%s)
  while [ "$count" -lt "$wanted" ]; do
    round=$((round + 1))
    deploy --set "coordinator.stepStallSeconds=$((5 + round))" \
      --set "router.maxRequests=$((1000 + round))" \
      --set "encoderDefaults.maxWaitingImages=$((100 + round))" \
      --set "decoderDefaults.maxWaiting=$((100 + round))"
    k logs client >"$work/answers"
    count=$(awk -v begin="$begin" '$1 == "answer" && $3 >= begin' "$work/answers" | wc -l)
    step "Upgrade $round: $count streams"
  done
  stop_client
  figure "helm upgrade: rounds that replaced every pod" "$round, $(($(date +%s) - begin)) s"
  judge "helm upgrade" "$begin" "$(date +%s)"
  local moved resumed
  moved=$(awk '$7 > 0' "$work/judged" | wc -l)
  resumed=$(awk '$8 > 1' "$work/judged" | wc -l)
  figure "helm upgrade: moved to a decoder, resumed at a router" "$moved, $resumed"
  figure "helm upgrade: seconds of a long stream" "$(awk '$4 == "long" {print $3 - $2}' \
    "$work/judged" | sort -n | sed -n '1p;$p' | xargs | sed 's/ / to /')"
  [ "$moved" -gt 0 ] || fail "no stream outlasted its decoder's drain"
  [ "$resumed" -gt 0 ] || fail "no stream outlasted its router's drain"
}

uninstall() {
  helm uninstall verify -n $namespace --wait >/dev/null
  # Of hooks Helm leaves the last: the test's pod.
  k delete pod -l app.kubernetes.io/component=test --now >/dev/null
  # Pods drain after their owners are gone.
  k wait --for=delete pod -l app.kubernetes.io/instance=verify --timeout=2m >/dev/null
  local kinds left
  kinds=$(kubectl api-resources --verbs=list --namespaced -o name |
    grep -v '^events' | paste -sd,)
  left=$(k get "$kinds" -l app.kubernetes.io/instance=verify -o name)
  figure "helm uninstall: objects left" "$(printf %s "$left" | grep -c . || true)"
  [ -z "$left" ] || { echo "$left" >&2; fail "something is left"; }
  kubectl delete namespace $namespace >/dev/null
  kubectl delete persistentvolume triptych-verify-models >/dev/null
}

scaling() { deploy/verify-scaling.sh "${TRIPTYCH_TRACE:-deploy/scaling}"; }

all=(images install ask delete upgrade uninstall scaling)
[ $# -gt 0 ] || set -- "${all[@]}"
for name; do
  if ! [[ " ${all[*]} " == *" $name "* ]]; then
    echo "verify: no step '$name'; there are: ${all[*]}" >&2
    exit 2
  fi
  step "$name"
  "$name"
done
step "All is well"
