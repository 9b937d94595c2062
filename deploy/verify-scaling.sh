#!/usr/bin/env bash
# Lets the HorizontalPodAutoscalers of the chart scale pools whose pods are simulated, and checks
# what they do under the load of scaling/phases.py; takes about half an hour.
#
#   deploy/verify-scaling.sh FOLDER [PHASE...]     writes FOLDER/trace.csv and trace.png
#
# The cluster, named by KUBECONFIG, has to have nodes whose pods are not run but said to be (kwok),
# and its API server on this machine: it asks a metrics server here (scaling/external_metrics.py),
# which asks a Prometheus, which scrapes a coordinator. Ports 7070, 9070, 9090, 8001 and 26470 have
# to be free. It takes kubectl, helm, prometheus and openssl from PATH or $TRIPTYCH_DEPLOY_BIN, the
# coordinator from $TRIPTYCH_BIN or build/release/bin, and a Python with scaling/requirements.txt as
# $TRIPTYCH_PYTHON; without that it makes an environment of its own.
set -euo pipefail
folder=$(realpath "$1")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
export PATH="${TRIPTYCH_DEPLOY_BIN:-$cache_dir/deploy/bin}:$PATH"

bin=${TRIPTYCH_BIN:-build/release/bin}
python=${TRIPTYCH_PYTHON:-$cache_dir/deploy/scaling-venv/bin/python}
if [ ! -x "$python" ]; then
  step "Making the Python environment of the simulation"
  python3 -m venv "$cache_dir/deploy/scaling-venv"
  "$python" -m pip install -q --disable-pip-version-check -r deploy/scaling/requirements.txt
fi
namespace=triptych-scaling
release=scale
work=$(mktemp -d)
started=()
stop() {
  [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
  kubectl delete -f deploy/scaling/apiservice.yaml --ignore-not-found >/dev/null 2>&1 || true
  helm uninstall $release -n $namespace --wait >/dev/null 2>&1 || true
  kubectl delete namespace $namespace --ignore-not-found --wait=false >/dev/null 2>&1 || true
  wait
  rm -rf "$work"
}
trap stop EXIT
run() {
  "$@" >"$work/$(basename "$1").log" 2>&1 &
  started+=($!)
}

step "Starting Prometheus and what stands for prometheus-adapter"
cat >"$work/prometheus.yaml" <<E2
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: coordinator
    static_configs:
      - targets: ["127.0.0.1:9070"]
        labels: {namespace: $namespace, service: $release-coordinator}
E2
run prometheus --config.file "$work/prometheus.yaml" --storage.tsdb.path "$work/prometheus" \
  --web.listen-address 127.0.0.1:9090
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 \
  -subj /CN=localhost 2>/dev/null
run "$python" deploy/scaling/external_metrics.py --prometheus http://127.0.0.1:9090 \
  --cert "$work/cert.pem" --key "$work/key.pem"
run kubectl proxy --port 8001
run "$python" deploy/scaling/leases.py http://127.0.0.1:8001
kubectl apply -f deploy/scaling/apiservice.yaml >/dev/null

step "Installing"
kubectl create namespace $namespace --dry-run=client -o yaml | kubectl apply -f - >/dev/null
helm install $release helm/triptych -n $namespace -f deploy/scaling/values.yaml >/dev/null 2>&1
kubectl wait --for=condition=Available apiservice/v1beta1.external.metrics.k8s.io --timeout=60s >&2
kubectl -n $namespace wait --for=condition=Available deployment --all --timeout=2m >/dev/null

step "Putting load on it"
phases=()
for phase in "$@"; do phases+=(--phase "$phase"); done
"$python" deploy/scaling/simulate.py --api http://127.0.0.1:8001 --namespace $namespace \
  --release $release --coordinator "$bin/triptych-coordinator" --trace "$folder/trace.csv" \
  "${phases[@]}" || {
  tail -5 "$work"/*.log >&2
  exit 1
}
kubectl -n $namespace get hpa -o wide >&2
"$python" deploy/scaling/judge.py "$folder/trace.csv" "$folder/trace.png"
