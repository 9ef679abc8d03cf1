#!/bin/sh
# Checks this machine before anything is downloaded, and prints the Python to use:
#
#   infra/preflight.sh FOLDER        # the environment to make, or an existing one; PYTHON names the Python for a new one
#
# Where something is missing, it prints one line to standard error and exits with 2. Plain sh, because the machine may have
# no Python, or an old one.
environment=${1:-.venv}
# requires-python in pyproject.toml; a test compares them.
oldest=11
newest=14
# A new environment takes 5.2 GB with the CPU build of torch; the rest is for archives while they are unpacked.
needed_mb=7000

fail() {
    echo "ambivox: $*" >&2
    exit 2
}

case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Linux aarch64" | "Darwin arm64") ;;
    Linux* | Darwin*) fail "torch has no packages for $(uname -s) on $(uname -m); use Linux on x86-64 or 64-bit Arm, or macOS on Apple silicon" ;;
    *) fail "on Windows, Ambivox runs in WSL (https://learn.microsoft.com/windows/wsl/install); run the same command in a WSL terminal" ;;
esac
# torch, vLLM and others have packages for glibc 2.31 and later; musl (Alpine) has no such number.
if [ "$(uname -s)" = Linux ]; then
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
    case "$libc" in
        "glibc 2.3"[1-9]* | "glibc 2."[4-9][0-9]*) ;;
        *) fail "torch and vLLM need glibc 2.31 or later, found ${libc:-another C library}; use Debian 11, Ubuntu 20.04 or a later system" ;;
    esac
fi
command -v git >/dev/null || fail "git was not found, and DVC needs it; install it (Debian and Ubuntu: apt install git)"

# The version of a Python, with what is unusual about it. Nothing where it does not run, as a command that pyenv left.
version_of() {
    "$1" -c 'if True:
        import platform, sys, sysconfig
        unusual = "" if platform.python_implementation() == "CPython" else " of " + platform.python_implementation()
        unusual += "" if sys.maxsize > 2**32 else " with 32 bits"
        unusual += " without GIL" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
        print("%d.%d.%d" % sys.version_info[:3] + unusual)' 2>/dev/null
}

is_supported() {
    minor=${1#3.}
    minor=${minor%%.*}
    case "$1" in
        *" "*) return 1 ;;
        3.*) [ "$minor" -ge $oldest ] && [ "$minor" -le $newest ] ;;
        *) return 1 ;;
    esac
}

python=$environment/bin/python
if [ -e "$python" ]; then
    version=$(version_of "$python")
    is_supported "$version" ||
        fail "Python 3.$oldest to 3.$newest is needed, but the one of $environment ${version:+is }${version:-does not run}; remove that folder, or name another: make setup VENV=FOLDER"
else
    if [ -n "$PYTHON" ]; then set -- "$PYTHON"; else set -- python3 python3.11 python3.12 python3.13 python3.14 python; fi
    python=
    found=
    for candidate; do
        version=$(version_of "$candidate") || continue
        found="$found${found:+, }$candidate is $version"
        if is_supported "$version"; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] ||
        fail "Python 3.$oldest to 3.$newest is needed, found: ${found:-none}; install one (Debian and Ubuntu: apt install python3 python3-venv), or name one: make setup PYTHON=/path/to/python3.12"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python ($version) has no venv module; install it (Debian and Ubuntu: apt install python${version%.*}-venv), or create .venv with another tool: uv venv .venv"
fi

folder=$(dirname "$environment")
[ -d "$folder" ] && [ -w "$folder" ] ||
    fail "cannot write to $folder, for the environment $(basename "$environment"); name another folder: make setup VENV=FOLDER"
free_mb=$(df -Pk "$folder" | awk 'NR == 2 { printf "%d", $4 / 1024 }')
# An environment that has torch needs little more.
if [ "${free_mb:-$needed_mb}" -lt $needed_mb ] && ! ls -d "$environment"/lib/python3*/site-packages/torch >/dev/null 2>&1; then
    fail "the environment needs $needed_mb MB, but $(cd "$folder" && pwd) has $free_mb MB free; free some, or name another folder: make setup VENV=FOLDER"
fi
if [ "$(uname -s)" = Linux ] && ! { command -v lscpu >/dev/null && [ -d /sys/devices/system/cpu ]; }; then
    echo "ambivox: note: vLLM on a CPU needs lscpu (Debian and Ubuntu: apt install util-linux) and a mounted /sys; without them, use --engine transformers" >&2
fi
echo "$python"
