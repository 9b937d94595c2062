# Shared by the scripts beside it; sourced, never run.
cache_dir=${XDG_CACHE_HOME:-$HOME/.cache}/triptych
libtorch_version=2.11.0
cuda_version=13.0.88
nccl_version=2.28.9

# One line of progress on stderr, with the seconds since the script began.
step() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

# Of ninja's lines, one every half minute and the last; from a failure on, all.
sparse_progress() {
  local line last= failed=no shown=$SECONDS
  while IFS= read -r line; do
    last=$line
    case $line in FAILED* | *error:* | *"error "*) failed=yes ;; esac
    if [ $failed = yes ]; then
      printf '%s\n' "$line"
    elif [ $((SECONDS - shown)) -ge 30 ]; then
      shown=$SECONDS
      printf '%.100s\n' "$line"
    fi
  done
  [ $failed = yes ] || printf '%.100s\n' "$last"
}

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
    NINJA_STATUS='[%f/%t] ' ninja -C "$folder" "$@" | sparse_progress >&2
  fi
}
