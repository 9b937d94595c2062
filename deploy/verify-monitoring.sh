#!/usr/bin/env bash
# Loads a small cluster that a Prometheus scrapes, and asks it every PromQL expression of the
# dashboards, the rules and the chart's autoscalers: each has to give data.
#
#   deploy/verify-monitoring.sh [SECONDS [FOLDER]]     of load (30); FOLDER: where to draw the dashboards
#
# It takes helm and prometheus from PATH or $TRIPTYCH_DEPLOY_BIN, the processes from $TRIPTYCH_BIN or
# build/release/bin, a checkpoint's folder from $TRIPTYCH_MODEL (without it a tiny one of the tests), and
# a Python with scaling/requirements.txt as $TRIPTYCH_PYTHON. Ports 9184 and 9190 have to be free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
export PATH="${TRIPTYCH_DEPLOY_BIN:-$cache_dir/deploy/bin}:$PATH"
python=$cache_dir/deploy/scaling-venv/bin/python
[ -x "$python" ] || python=$cache_dir/deploy/venv/bin/python # which draws nothing
python=${TRIPTYCH_PYTHON:-$python}
exec "$python" deploy/monitoring/verify.py --bin "${TRIPTYCH_BIN:-build/release/bin}" \
  --model "${TRIPTYCH_MODEL:-tests/golden/xcomposer2-vl-tiny}" --seconds "${1:-30}" ${2:+--pictures "$2"}
