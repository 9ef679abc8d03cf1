#!/usr/bin/env bash
# The whole test suite, the examples in docstrings, and the coverage of both: run.sh [folder of executables]
# WORKERS processes share the tests (tests/support/workers.py): one more than there are cores, up to four, since many tests
# wait for servers. That is too busy a machine for some time limits; so what fails is run again when nothing else runs, and
# named in any case.
set -uo pipefail
bin=${1:-.venv/bin}
cores=$(getconf _NPROCESSORS_ONLN)
workers=${WORKERS:-$((cores < 3 ? cores + 1 : 4))}
rm -rf .coverage .coverage.* .tests.log .pytest_cache

suite() { # suite NAME ARGUMENTS...: one run of pytest with its own cache and coverage file
    local name=$1
    shift
    COVERAGE_FILE=.coverage.$name "$bin/python" -m pytest --cov --cov-report= --cov-fail-under=0 \
        -o "cache_dir=.pytest_cache/${name%-again}" "$@"
}

examples=$(grep -Rl --include='*.py' '>>> ' src/ambivox)
suite examples --quiet --doctest-modules $examples
examples_code=$?
echo "Running the tests in $workers processes"
suite tests tests --numprocesses "$workers" --no-loadscope-reorder | tee .tests.log
tests_code=$?

if [ "$tests_code" = 1 ]; then
    echo "== Failed, run again alone:"
    grep -E '^(FAILED|ERROR) ' .tests.log
    suite tests-again tests --last-failed --last-failed-no-failures none
    tests_code=$?
fi

"$bin/python" -m coverage combine --quiet && printf 'Coverage in percent: ' && "$bin/python" -m coverage report --format=total
coverage_code=$?
echo "Exit codes: examples $examples_code, tests $tests_code, coverage $coverage_code"
exit $((examples_code + tests_code + coverage_code))
