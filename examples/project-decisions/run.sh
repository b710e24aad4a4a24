#!/bin/sh
# Decision records become memories and are found in other words; a newer decision supersedes one of them.
# `./run.sh clean` forgets all of it again.
set -eu
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$1"; }

if [ "${1:-}" = clean ]; then
    faiss-memory forget --project example-decisions --yes
    exit
fi

say "Build the records"
faiss-memory build decisions --project example-decisions

say "Ask in other words"
faiss-memory search --project example-decisions -k 1 "Why do we not use floats for prices?"

say "Only what is accepted, and about the frontend"
faiss-memory search --project example-decisions --metadata status=accepted --tag frontend -k 1 "Which library fetches data?"

say "Decide anew"
old=$(faiss-memory list --project example-decisions --source '*/0003-*' --include-superseded | cut -f1)
faiss-memory add --project example-decisions --supersedes "$old" --if-novel 0.95 --tag decision --tag login \
    "Login sessions are kept in Postgres, no longer in Redis: one server less to run"

say "The new decision is found, the old one is history"
faiss-memory search --project example-decisions -k 1 "Where are login sessions kept?"
