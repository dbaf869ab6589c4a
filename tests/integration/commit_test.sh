#!/usr/bin/env bash
# What a build says of its checkout (scripts/cmake/WriteCommit.cmake), in made-up checkouts.
# usage: commit_test.sh SOURCE_DIR CMAKE
set -euo pipefail
script=$1/scripts/cmake/WriteCommit.cmake cmake=$2
command -v git >/dev/null || { echo "commit: git is not installed, nothing to test"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES=$work
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git() { command git -C "$work/tree" "$@"; }

# says NAME COMMIT DIFF: the header of a fresh look at $folder.
folder=$work/tree
says() {
  "$cmake" -DSOURCE="$folder" -DHEADER="$work/commit.h" -P "$script"
  printf '#define DIPTYCH_COMMIT "%s"\n#define DIPTYCH_DIFF "%s"\n' "$2" "$3" | cmp -s - "$work/commit.h" || {
    echo "$1: expected $2 '$3', got:"; cat "$work/commit.h"; failures=$((failures + 1)); }
}
hash_of_diff() { { git diff HEAD -- CMakeLists.txt include scripts/cmake src tools; printf '%s' "${1:-}"; } | sha256sum | cut -c1-16; }

mkdir -p "$work/tree/src/deep" "$work/tree/tests"
echo 'int a; // [x];"$HOME"' >"$work/tree/src/a.cpp"
says "no checkout" unknown ""

git init -q
says "no commit yet" unknown ""
git add . && git commit -q -m first
commit=$(git rev-parse --short HEAD)
says "clean" "$commit" ""
touch -d 2001-01-01 "$work/commit.h"
says "clean again" "$commit" ""
[ "$(stat -c %y "$work/commit.h" | cut -c1-4)" = 2001 ] || { echo "an equal header was written again"; failures=$((failures + 1)); }

echo text >"$work/tree/tests/a_test.cpp"; echo text >"$work/tree/README.md"
says "changes outside the program" "$commit" ""
echo 'int a = 1; // [x];"$HOME"' >"$work/tree/src/a.cpp"
says "a changed source" "$commit" "$(hash_of_diff)"
git add src/a.cpp
says "a changed source, staged" "$commit" "$(hash_of_diff)"
echo 'int b;' >"$work/tree/src/deep/b.cpp"
says "a new source" "$commit" "$(hash_of_diff "new src/deep/b.cpp $(sha256sum <"$work/tree/src/deep/b.cpp" | cut -d' ' -f1)"$'\n')"
git add . && git commit -q -m second
says "committed" "$(git rev-parse --short HEAD)" ""

folder=$work/tree/src
says "a folder in somebody else's checkout" unknown ""

[ "$failures" -eq 0 ] && echo "commit: all as expected"
exit $((failures > 0))
