#!/usr/bin/env bash
# The whole test suite, the examples in docstrings, and the coverage of both: run.sh [folder of executables]
# The tests of flows/ spend most of their time waiting for servers, so they run in parallel with the others. Two cores
# are then too few for some time limits; so what fails is run again when nothing else runs, and named in any case.
set -uo pipefail
bin=${1:-.venv/bin}
rm -rf .coverage .coverage.* .examples.log .flows.log .others.log .pytest_cache

suite() { # suite NAME ARGUMENTS...: one pytest process with its own cache and coverage file
    local name=$1
    shift
    COVERAGE_FILE=.coverage.$name "$bin/python" -m pytest --cov --cov-report= --cov-fail-under=0 \
        -o "cache_dir=.pytest_cache/${name%-again}" "$@"
}

examples=$(grep -Rl --include='*.py' '>>> ' src/ambivox)
echo "Running the tests of flows/ in parallel; their output comes after that of the others"
suite flows tests/flows >.flows.log 2>&1 &
suite examples --quiet --doctest-modules $examples | tee .examples.log
examples_code=$?
suite others tests --ignore tests/flows | tee .others.log
others_code=$?
wait %1
flows_code=$?
cat .flows.log

again() { # again CODE NAME ARGUMENTS...: run what failed once more; the exit code that counts
    local code=$1 name=$2
    shift 2
    [ "$code" = 1 ] || return "$code"
    echo "== Failed in $name, run again alone:"
    grep -hE '^(FAILED|ERROR) ' ".$name.log"
    suite "$name-again" --last-failed --last-failed-no-failures none "$@"
}
again $flows_code flows tests/flows
flows_code=$?
again $others_code others tests --ignore tests/flows
others_code=$?

"$bin/python" -m coverage combine --quiet && printf 'Coverage in percent: ' && "$bin/python" -m coverage report --format=total
coverage_code=$?
echo "Exit codes: examples $examples_code, flows $flows_code, others $others_code, coverage $coverage_code"
exit $((examples_code + flows_code + others_code + coverage_code))
