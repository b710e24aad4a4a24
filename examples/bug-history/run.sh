#!/bin/sh
# Fixes are stored, each only if it is news, and found again by what one sees when the bug is back.
# `./run.sh clean` forgets all of it again.
set -eu
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$1"; }

if [ "${1:-}" = clean ]; then
    faiss-memory forget --project example-bugs --yes
    exit
fi

say "Store the fixes, if they are new"
while IFS='|' read -r tag area cue text; do
    code=0
    faiss-memory is-novel --json --project example-bugs --threshold 0.9 "$text" > /dev/null || code=$?
    case $code in
        0) faiss-memory add --project example-bugs --tag fix --tag "$tag" --metadata area="$area" --cue "$cue" \
            "$text" ;;
        5) echo "Known: $text" ;;
        *) exit "$code" ;;
    esac
done < fixes.txt

say "Somebody tells of the first one again, in other words"
faiss-memory add --project example-bugs --if-novel 0.7 "Container health checks fail with localhost; 127.0.0.1 works"

say "Search by the symptom"
faiss-memory search --project example-bugs -k 1 "two transactions wait for each other forever"

say "Search among the fixes of one area"
faiss-memory search --project example-bugs -k 1 --metadata area=network "https breaks in the office"
