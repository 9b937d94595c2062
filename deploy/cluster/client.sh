#!/bin/sh
# Asks a router without a pause, and writes one line for each answer:
#
#   answer BEGIN END KIND STATUS HASH MIGRATIONS CALLS
#
# BEGIN, END: Unix time. STATUS: of `triptych generate`, which goes on by itself at another router
# when its own is gone, and asks no second time otherwise. HASH: of the tokens. MIGRATIONS: times
# that the stream moved between decoders while at its last router. CALLS: routers that it was at.
#
#   client.sh ROUTER SHORT LONG LONG_TOKENS    so many askers of short questions and of long ones
#
# CLIENT_OPTIONS: further ones for `triptych generate`.
set -u
router=$1 short=$2 long=$3 long_tokens=$4

ask() { # KIND ASKER ARGUMENT...
  kind=$1 said=/tmp/said.$2
  shift 2
  begin=$(date +%s)
  # Options are words.
  # shellcheck disable=SC2086
  answer=$(triptych generate --router "$router" ${CLIENT_OPTIONS:-} --json --ignore-eos \
    --timeout 1800 "$@" 2>"$said")
  status=$?
  ids=$(printf %s "$answer" | sed -n 's/.*"token_ids":\(\[[^]]*\]\).*/\1/p')
  migrations=$(printf %s "$answer" | sed -n 's/.*"migrations":\([0-9]*\).*/\1/p')
  [ $status = 0 ] || cat "$said"
  echo "answer $begin $(date +%s) $kind $status $(printf %s "$ids" | sha256sum | cut -c1-12)" \
    "${migrations:-0} $(($(grep -c '^the router is gone' "$said") + 1))"
}

ask_text() {
  ask text "$1" --max-new-tokens 6 "Name a colour."
}
ask_picture() { # a file of its own, though of the same pixels: no encoder has seen it
  picture=/tmp/picture.$1.png
  { cat /client/picture.png && head -c 8 /dev/urandom; } >"$picture"
  ask picture "$1" --max-new-tokens 6 --image "$picture" "What is in this picture?"
}
ask_long() {
  ask long "$1" --max-new-tokens "$long_tokens" "Tell me a long story."
}
ask_short() {
  ask_text "$1"
  ask_text "$1"
  ask_picture "$1"
}
forever() {
  while :; do "$@"; done
}

trap 'exit 0' TERM
# What undisturbed answers are.
ask_text 0
ask_picture 0
ask_long 0
i=0
while [ $i -lt $((short + long)) ]; do
  if [ $i -lt "$short" ]; then forever ask_short $i & else forever ask_long $i & fi
  i=$((i + 1))
done
wait
