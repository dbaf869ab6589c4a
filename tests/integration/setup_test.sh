#!/usr/bin/env bash
# scripts/setup against made-up Pythons: which torch it takes, passes over, installs. Nothing is downloaded.
# usage: setup_test.sh SOURCE_DIR
set -euo pipefail
source_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# A python3 whose torch is the line "version cuda" in the file beside it (none: no torch). Its pip installs what the file
# wheel.cpu says when the CPU index is given, and what wheel says otherwise.
mkdir -p "$work/tools" "$work/python"
cat >"$work/python/python3" <<'FAKE'
#!/usr/bin/env bash
here=$(cd "$(dirname "$0")" && pwd)
case "$*" in
  *urlopen*) [ -e "$WORK/online" ] ;;
  "-c import torch"*) [ -s "$here/torch" ] && cat "$here/torch" ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip config get "*) [ -e "$WORK/index" ] ;;
  "-m pip uninstall "*) rm -f "$here/torch" ;;
  "-m pip install "*) echo "pip $*" >>"$WORK/log"; case "$*" in *whl/cpu*) cp "$WORK/wheel.cpu" "$here/torch" ;; *) cp "$WORK/wheel" "$here/torch" ;; esac ;;
  *) echo "unexpected: $*" >&2; exit 99 ;;
esac
FAKE
printf '#!/bin/sh\necho install ok installed\n' >"$work/python/dpkg-query"
printf '#!/bin/sh\nexit 0\n' >"$work/python/apt-get"
printf '#!/bin/sh\necho x86_64\n' >"$work/python/uname"
chmod +x "$work"/python/*

# check NAME EXPECTED_EXIT WORD... : runs setup in a fresh copy; the files that `prepare` made are its world.
prepare() {
  rm -rf "$work/tree" "$work/python/torch" "$work/python/nvcc" "$work"/{online,index,log}
  mkdir -p "$work/tree" && cp -r "$source_dir/scripts" "$work/tree/"
  echo "2.13.0 12.8" >"$work/wheel"; echo "2.13.0+cpu none" >"$work/wheel.cpu"
}
check() {
  local name=$1 expected=$2 rc=0 out word; shift 2
  out=$(cd "$work/tree" && env -i WORK="$work" HOME="$work" PATH="$work/python:/usr/bin:/bin" CUDA_HOME="$work/nowhere" "${variables[@]}" scripts/setup 2>&1) || rc=$?
  [ "$rc" -eq "$expected" ] || { echo "$name: exit $rc, expected $expected"; echo "$out"; failures=$((failures + 1)); }
  for word in "$@"; do
    case "$word" in
      !*) ! grep -qF -- "${word#!}" <<<"$out" || { echo "$name: says '${word#!}'"; echo "$out"; failures=$((failures + 1)); } ;;
      *) grep -qF -- "$word" <<<"$out" || { echo "$name: does not say '$word'"; echo "$out"; failures=$((failures + 1)); } ;;
    esac
  done
}
pip_ran_with() { grep -qF -- "$1" "$work/log" 2>/dev/null || { echo "pip did not get $1"; failures=$((failures + 1)); }; }
variables=(A=B)

prepare; echo "2.9.1+cpu none" >"$work/python/torch"
check "a good torch is used" 0 "torch 2.9.1+cpu of $work/python/python3, CPU build" "!installing"

prepare; echo "2.6.0+cpu none" >"$work/python/torch"; touch "$work/online"
check "an old torch is passed over" 0 "passing over torch 2.6.0+cpu" "needs torch >= 2.7" "torch 2.13.0+cpu of .venv"
pip_ran_with "--index-url https://download.pytorch.org/whl/cpu"

prepare; echo "2.10.0 12.8" >"$work/python/torch"; touch "$work/online"
check "a CUDA torch without a toolkit is passed over" 0 "passing over torch 2.10.0" "no nvcc" "torch 2.13.0+cpu of .venv"

prepare; echo "2.10.0 12.8" >"$work/python/torch"; printf '#!/bin/sh\n' >"$work/python/nvcc"; chmod +x "$work/python/nvcc"
check "a CUDA torch with a toolkit is used" 0 "torch 2.10.0 of" "CUDA 12.8" "!installing"

prepare
check "a CUDA wheel that came by surprise is named" 1 "does not answer" "passing over torch 2.13.0 of .venv" "--force-reinstall" "torch==2.13.0"

prepare; echo "2.13.0+cpu none" >"$work/wheel"
check "an own index that gives the CPU build is fine" 0 "torch 2.13.0+cpu of .venv, CPU build"

prepare; touch "$work/online" "$work/index"; echo "2.13.0+cpu none" >"$work/wheel"
check "the user's own index is obeyed" 0 "torch 2.13.0+cpu of .venv"
if grep -qF -- --index-url "$work/log"; then echo "the user's index was overruled"; failures=$((failures + 1)); fi

prepare; mkdir -p "$work/tree/.venv/bin"; cp "$work/python/python3" "$work/tree/.venv/bin/python"; echo "2.5.0 none" >"$work/tree/.venv/bin/torch"; touch "$work/online"
check "an old torch in .venv is replaced" 0 "passing over torch 2.5.0 of .venv" "torch 2.13.0+cpu of .venv"
check "and the second time setup only looks" 0 "torch 2.13.0+cpu of .venv" "!installing"

named=$work/named; mkdir -p "$named"; touch "$named/TorchConfig.cmake"
echo 'set(PACKAGE_VERSION "2.6.0")' >"$named/TorchConfigVersion.cmake"
variables=(Torch_DIR="$named"); prepare
check "a named LibTorch that is too old stops" 1 "Torch_DIR = $named is torch 2.6.0" "correct it or unset it"
echo 'set(PACKAGE_VERSION "2.8.0")' >"$named/TorchConfigVersion.cmake"
check "a named LibTorch is used" 0 "torch 2.8.0 of Torch_DIR"
variables=(LIBTORCH="$work/absent"); prepare
check "a named folder without LibTorch stops" 1 "has no TorchConfig.cmake"

[ "$failures" -eq 0 ] && echo "setup: all as expected"
exit $((failures > 0))
