#!/usr/bin/env bash
# Installs the build, moves the prefix, runs the program without any help from the environment, and builds a small project
# against it with find_package(diptych).
# usage: install_test.sh CMAKE BUILD_DIR SOURCE_DIR TORCH_DIR
set -euo pipefail
cmake=$1 build=$2 source=$3 torch=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "install_test: $*" >&2; exit 1; }

"$cmake" --install "$build" --prefix "$work/first" >"$work/log" || { cat "$work/log"; fail "cmake --install failed"; }
mv "$work/first" "$work/moved"  # nothing may point to where it was installed
prefix=$work/moved

shown=$(cd "$work" && env -i "$prefix/bin/diptych" --version) || fail "the installed program does not start"
[[ $shown == diptych* ]] || fail "--version says '$shown'"
env -i "$prefix/bin/diptych" describe loss cmpm >/dev/null || fail "the installed program cannot describe a loss"
[ -f "$prefix/share/diptych/configs/synthetic/quickstart.yaml" ] || fail "the recipes were not installed"
if command -v readelf >/dev/null; then
  runpath=$(readelf -d "$prefix/bin/diptych" | sed -n 's/.*R\(UN\)\?PATH.*\[\(.*\)\]/\2/p')
  [[ $runpath == '$ORIGIN'* ]] || fail "the program's RPATH '$runpath' does not begin with \$ORIGIN"
  [[ $runpath != *"$build"* ]] || fail "the program's RPATH '$runpath' points into the build folder"
fi

cp -r "$source/tests/integration/consumer" "$work/consumer"
"$cmake" -S "$work/consumer" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DTorch_DIR="$torch" \
  -DCMAKE_CXX_FLAGS="${CXXFLAGS:-}" >"$work/log" 2>&1 || { cat "$work/log"; fail "find_package(diptych) failed"; }
"$cmake" --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; fail "the consumer does not build"; }
answer=$(env -i "$work/build/consumer") || fail "the consumer does not run"
[ "$answer" = "did you mean: cmpm" ] || fail "the consumer says '$answer'"
echo "install_test: all as expected"
