#!/usr/bin/env bash
# make demo in a fresh clone of this checkout's last commit, with each Python named, one after the other:
#
#   infra/demo_pythons.sh FOLDER PYTHON...      # make demo-pythons
#
# The clones and their environments (5 to 8 GB each) are removed; FOLDER keeps a log and the figures of each Python. A Python
# that is not on the machine is skipped by name. The exit code is the number of Pythons that failed.
set -uo pipefail
checkout=$(git -C "$(dirname "$0")/.." rev-parse --show-toplevel)
runs=$1
shift
mkdir -p "$runs"
failed=0
figures='
import json, sys
rows = json.load(open(sys.argv[1]))
scores = ("nll", "squared_error", "js")
print(", ".join(" ".join([name, *("%.3f" % rows[name][score] for score in scores)]) for name in ("human_mixture", "synthetic", "pooled")))
'
for python; do
    version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || {
        echo "$python: not on this machine, skipped"
        continue
    }
    clone=$(mktemp -d "$runs/clone.XXXXXX")
    git clone --quiet "$checkout" "$clone/ambivox"
    if make -C "$clone/ambivox" demo PYTHON="$python" >"$runs/$version.log" 2>&1; then
        cp "$clone/ambivox/data/demo/validation/metrics.json" "$runs/$version.json"
        echo "$python ($version): nll, squared error and JS to the held-out votes: $("$clone/ambivox/.venv/bin/python" -c "$figures" "$runs/$version.json")"
    else
        failed=$((failed + 1))
        echo "$python ($version): failed: $(grep -m 1 '^ambivox: ' "$runs/$version.log" || tail -n 1 "$runs/$version.log")"
    fi
    rm -rf "$clone"
done
exit "$failed"
