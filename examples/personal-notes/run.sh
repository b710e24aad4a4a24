#!/bin/sh
# A folder of notes is built, one note is edited, and a second build embeds that change alone.
# It works on a copy of the notes, in the folder `work`. `./run.sh clean` forgets everything and removes the copy.
set -eu
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$1"; }

if [ "${1:-}" = clean ]; then
    faiss-memory forget --project example-notes --yes
    rm -rf work
    exit
fi

rm -rf work
cp -R notes work

say "Build the notes"
faiss-memory build work --project example-notes

say "Edit one, and build again: only the change is embedded"
printf '\n## Slugs\n\nCoffee grounds around the lettuce keep slugs away for a week.\n' >> work/garden.md
faiss-memory build work --project example-notes

say "What did a meeting decide?"
faiss-memory search --project example-notes --tag meeting -k 1 "How long do interviews last?"

say "What did meetings say since March?"
faiss-memory list --project example-notes --tag meeting --after 2026-03-01

say "And the garden?"
faiss-memory search --project example-notes -k 1 "How do I keep slugs off the lettuce?"
