"""`python -m tests.doctor.drawing FILE`: draws findings from a file of JSON, each set-up after a line with its name."""

import json
import sys
from pathlib import Path

from faiss_memory.cli.doctor.findings import Finding, Findings
from faiss_memory.cli.doctor.showing import show
from faiss_memory.cli.output import open_output

if __name__ == "__main__":
    for name, found in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).items():
        groups: dict[str, Findings] = {}
        for one in found:
            groups.setdefault(one["about"], Findings(one["about"])).found.append(Finding(**one))
        print(f"== {name}", flush=True)
        show(open_output(), list(groups.values()))
