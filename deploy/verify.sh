#!/usr/bin/env bash
# Checks the chart, the alerts and the dashboards. It needs no cluster (verify-cluster.sh takes one).
#
#   deploy/verify.sh
#
# It takes helm, kubeconform, promtool and prometheus from PATH or $TRIPTYCH_DEPLOY_BIN (deploy/install-tools).
# kubeconform's schemas, of Kubernetes and of the custom resources, are files KIND-GROUP-VERSION.json
# of the folder $TRIPTYCH_KUBERNETES_SCHEMAS; without it manifests are rendered and not compared.
# Where the processes are built, in $TRIPTYCH_BIN or build/release/bin, they check the configuration
# files themselves, and clusters of them show the metrics that promtool checks and what the expressions
# of dashboards, rules and autoscalers give (verify-monitoring.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
export PATH="${TRIPTYCH_DEPLOY_BIN:-$cache_dir/deploy/bin}:$PATH"
export HELM_CACHE_HOME=$cache_dir/deploy/helm
chart=helm/triptych
python=$cache_dir/deploy/venv/bin/python
[ -x "$python" ] || python=python3
bin=${TRIPTYCH_BIN:-build/release/bin}
work=$(mktemp -d)
serve=
stop() {
  [ -z "$serve" ] || { kill -TERM "$serve" 2>/dev/null && wait "$serve" || true; }
  rm -rf "$work"
}
trap stop EXIT

fail() {
  echo "verify: $*" >&2
  exit 1
}

for tool in helm promtool prometheus; do
  command -v "$tool" >/dev/null || fail "$tool is not installed; deploy/install-tools does it"
done

# The rules and dashboards are links; helm says so on every run.
quiet() { "$@" 2> >(grep -v 'found symbolic link' >&2); }

# Each ConfigMap's configuration, as its process reads it.   check_configurations MANIFESTS
check_configurations() {
  [ -x "$bin/triptych-worker" ] || return 0
  "$python" deploy/configurations.py "$1" "$work/configurations"
  local file program
  for file in "$work"/configurations/*/*.yaml; do
    program=$(basename "$file" .yaml)
    "$bin/triptych-$program" --config "$file" --check-config || fail "$1: $file"
  done
  rm -r "$work/configurations"
}

# The metrics of a small cluster's processes, by promtool's lint; vLLM's names have colons.
check_metrics() {
  local grpc address model=tests/golden/xcomposer2-vl-tiny
  : >"$work/ready"
  "$bin/triptych" serve --model $model --port 0 --http-port 0 >"$work/ready" 2>"$work/serve.log" &
  serve=$!
  until grep -q '^ready ' "$work/ready"; do
    kill -0 "$serve" 2>/dev/null || fail "triptych serve: $(tail -3 "$work/serve.log")"
    sleep 0.2
  done
  read -r _ grpc _ <"$work/ready"
  "$bin/triptych" generate --router "${grpc#grpc=}" --max-new-tokens 2 Hello >/dev/null
  cat "$work/serve.log" "$work/ready" | grep -oE 'metrics=[^ ]+' | cut -d= -f2 | sort -u \
    >"$work/addresses"
  while read -r address; do
    "$python" -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())' \
      "http://$address/metrics" | grep -v 'vllm:' | promtool check metrics
  done <"$work/addresses"
  step "$(wc -l <"$work/addresses") processes' metrics checked"
}

step "Charts of ci/"
for values in "$chart"/ci/*-values.yaml; do
  name=$(basename "$values" -values.yaml)
  quiet helm lint --quiet --strict "$chart" -f "$values"
  quiet helm template "$name" "$chart" --namespace test -f "$values" >"$work/$name.yaml"
  if [ -n "${TRIPTYCH_KUBERNETES_SCHEMAS:-}" ]; then
    kubeconform -strict -summary -schema-location \
      "$TRIPTYCH_KUBERNETES_SCHEMAS/{{.ResourceKind}}{{.KindSuffix}}.json" "$work/$name.yaml"
  fi
  check_configurations "$work/$name.yaml"
done
[ -n "${TRIPTYCH_KUBERNETES_SCHEMAS:-}" ] ||
  step "No schemas are compared: TRIPTYCH_KUBERNETES_SCHEMAS is not set"

step "Values that are refused"
count=0
for values in "$chart"/ci/refused/*.yaml; do
  read -r _ wanted <"$values"
  if helm template x "$chart" -f "$chart/ci/cpu-values.yaml" -f "$values" \
    >/dev/null 2>"$work/error"; then
    fail "$values was taken"
  fi
  grep -qE "$wanted" "$work/error" || fail "$values: no '$wanted' in: $(cat "$work/error")"
  count=$((count + 1))
done
step "$count files refused, each by the name of its key"

step "Alerts"
promtool check rules deploy/prometheus/rules.yaml >/dev/null
promtool test rules deploy/prometheus/rules*_test.yaml >/dev/null
cp deploy/compose/prometheus.yaml deploy/prometheus/rules.yaml "$work"
promtool check config "$work/prometheus.yaml" >/dev/null
check_configurations deploy/compose/compose.yaml
if [ -x "$bin/triptych-worker" ]; then
  check_metrics
  step "Every expression, asked of a Prometheus that sees a loaded cluster"
  TRIPTYCH_PYTHON=$python deploy/verify-monitoring.sh 20
fi

if "$python" -c 'import grafana_foundation_sdk, pytest' 2>/dev/null; then
  step "Dashboards and runbooks"
  "$python" -m pytest -q -p no:cacheprovider deploy/test_monitoring.py
  step "The scaling trace"
  "$python" -m pytest -q -p no:cacheprovider deploy/scaling
fi

if command -v helm-docs >/dev/null; then
  step "The chart's README"
  helm-docs --chart-search-root "$chart" --dry-run --log-level error | diff "$chart/README.md" - ||
    fail "helm-docs would write another helm/triptych/README.md"
fi
step "All is well"
