# Shared by the scripts beside it; sourced, never run.
cache_dir=${XDG_CACHE_HOME:-$HOME/.cache}/triptych
libtorch_version=2.11.0
cuda_version=13.0.88
nccl_version=2.28.9

# One line of progress on stderr, with the seconds since the script began.
step() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

# build PRESET TARGET...: configures when needed and builds, with ninja's own progress on a terminal, one line every half minute elsewhere.
build() {
  local preset=$1
  shift
  local folder=build/$preset
  [ -e "$folder/build.ninja" ] || cmake --preset "$preset" >"/tmp/triptych-configure.$$" 2>&1 || {
    cat "/tmp/triptych-configure.$$" >&2
    return 1
  }
  rm -f "/tmp/triptych-configure.$$"
  if [ -t 2 ]; then
    ninja -C "$folder" "$@" >&2
  else
    NINJA_STATUS='[%f/%t] ' ninja -C "$folder" "$@" | awk '
      { last = $0 } /^FAILED|error:|error / { failed = 1 } failed { print; next }
      systime() - shown >= 30 { shown = systime(); print substr($0, 1, 100); fflush() } END { if (!failed) print substr(last, 1, 100) }' >&2
  fi
}
