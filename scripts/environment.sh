# shellcheck shell=bash
# One way to make a virtual environment, sourced by the scripts beside this file.
#
#   use_environment FOLDER EXTRAS [CONSTRAINTS [NEWEST]]
#
# makes (or repairs, or leaves alone) the environment FOLDER in the repository with this project
# installed in place with EXTRAS ("cpu,video"), and sets
#
#   ROOT    the repository, absolute
#   PYTHON  the environment's interpreter, absolute
#
# CONSTRAINTS is a file of pins in the repository; NEWEST is the newest Python that they allow,
# as in "3.11". Nothing is needed but Python >= 3.10 with venv, and a package index. A second call
# takes a fraction of a second: the stamp in the environment says what it holds. EDGE_PYTHON names
# the interpreter to build from; without it that is python3, or the newest python3.X that will do.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
OLDEST_PYTHON=3.10
KNOWN_PYTHONS=(python3 python3.13 python3.12 python3.11 python3.10)

# Other programs' settings must not leak into the environment (ROS sets PYTHONPATH on robots).
unset PYTHONPATH PYTHONHOME

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

# Print "3.11" for an interpreter; fail when it does not run (a pyenv shim, a dangling link).
_python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# _version_within VERSION OLDEST NEWEST; an empty NEWEST sets no limit.
_version_within() {
    local minor=${1#3.} oldest=${2#3.} newest=${3#3.}
    [ "${1%%.*}" = 3 ] && [ "$minor" -ge "$oldest" ] && [ "$minor" -le "${newest:-$minor}" ]
}

# Print the interpreter to build from; NEWEST may be empty.
_find_python() {
    local newest=$1 candidate version
    local wanted="Python $OLDEST_PYTHON or newer"
    [ -z "$newest" ] || wanted="Python $OLDEST_PYTHON to $newest"
    if [ -n "${EDGE_PYTHON:-}" ]; then
        version=$(_python_version "$EDGE_PYTHON") ||
            fail "EDGE_PYTHON names '$EDGE_PYTHON', which does not run: name a $wanted"
        _version_within "$version" "$OLDEST_PYTHON" "$newest" ||
            fail "EDGE_PYTHON is Python $version; this needs $wanted"
        command -v "$EDGE_PYTHON"
        return
    fi
    for candidate in "${KNOWN_PYTHONS[@]}"; do
        version=$(_python_version "$candidate") || continue
        if _version_within "$version" "$OLDEST_PYTHON" "$newest"; then
            command -v "$candidate"
            return
        fi
    done
    version=$(_python_version python3) || version=none
    fail "this needs $wanted, and python3 is ${version}: install one, or name it in EDGE_PYTHON"
}

# Print the package that brings venv for an interpreter: Debian splits it off.
_venv_package() {
    if [ "$(_python_version /usr/bin/python3)" = "$1" ]; then
        echo python3-venv
    else
        echo "python$1-venv"
    fi
}

# _make_venv FOLDER BASE: make it anew; what was there before is cleared away.
_make_venv() {
    local folder=$1 base=$2 version
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$(_python_version "$base")
        fail "$base has no venv: sudo apt install $(_venv_package "$version")"
    fi
    "$base" -m venv --clear "$folder" || fail "could not make $folder (see above)"
}

# Print the version of a venv that is whole and may stay; fail when it must be made (again).
_standing_version() {
    local folder=$1 newest=$2 version
    # The marker stays behind when an installation was killed: packages may be there by half.
    [ ! -e "$folder/edge-installing" ] && [ -e "$folder/bin/python" ] || return 1
    version=$(_python_version "$folder/bin/python") || return 1
    # Without a stamp nobody knows how far it got.
    [ -e "$folder/edge-installed" ] || "$folder/bin/python" -m pip --version >/dev/null 2>&1 ||
        return 1
    # An upgrade of the system may have put another Python behind the same name.
    [ -d "$folder/lib/python$version/site-packages" ] || return 1
    _version_within "$version" "$OLDEST_PYTHON" "$newest" || return 1
    if [ -n "${EDGE_PYTHON:-}" ]; then
        [ "$(_python_version "$EDGE_PYTHON")" = "$version" ] || return 1
    fi
    echo "$version"
}

# Print what the stamp must say about everything but the extras.
_stamp_key() {
    local version=$1 constraints=$2 lock
    {
        echo "python $version at $ROOT"
        cat "$ROOT/pyproject.toml"
        [ -z "$constraints" ] || cat "$ROOT/$constraints"
        lock=$(_lock_for "$version" "$constraints") && cat "$ROOT/$lock" "$ROOT/scripts/locked.py"
        true
    } | cksum
}

# _lock_for VERSION CONSTRAINTS: print the lock that pins what is installed, with hashes; fail where
# there is none for this Python and machine (then the newest versions that fit are taken), or where
# EDGE_UNLOCKED asks for these.
_lock_for() {
    local version=$1 constraints=$2 lock=scripts/lock.txt
    [ -z "${EDGE_UNLOCKED:-}" ] || return 1
    [ -z "$constraints" ] || lock=${constraints%-constraints.txt}-lock.txt
    [ -e "$ROOT/$lock" ] || return 1
    case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64") ;;
    *) return 1 ;;
    esac
    _version_within "$version" 3.10 3.13 || return 1
    echo "$lock"
}

# _has_extras STAMP EXTRA...: are all of them in the stamp?
_has_extras() {
    local stamp=$1 extra
    shift
    for extra in "$@"; do
        grep -qx "extra $extra" "$stamp" || return 1
    done
}

# _pip FOLDER ARGUMENT...: install. PIP_USER=1 in somebody's settings would send packages past it.
_pip() {
    local folder=$1
    shift
    PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$folder/bin/python" -m pip install -qq "$@"
}

# Every file that is installed has a hash in the lock, what builds the project too.
_install_locked() {
    local folder=$1 extras=$2 lock=$3
    # shellcheck disable=SC2086  # the extras, word by word
    "$folder/bin/python" scripts/locked.py "$lock" ${extras//,/ } build >"$folder/edge-lock.txt" &&
        _pip "$folder" --require-hashes -r "$folder/edge-lock.txt" &&
        _pip "$folder" --no-deps --no-build-isolation --editable .
}

_install() {
    local folder=$1 extras=$2 constraints=$3 version=$4 lock status=0
    : >"$folder/edge-installing"
    (
        cd "$ROOT" || exit 1
        if lock=$(_lock_for "$version" "$constraints"); then
            _install_locked "$folder" "$extras" "$lock"
        else
            _pip "$folder" ${constraints:+--constraint "$constraints"} --editable ".[$extras]"
        fi
    ) || status=$?
    # pip undoes what it did when it fails by itself (1, 2); not when it is killed.
    [ "$status" -gt 2 ] || rm -f "$folder/edge-installing"
    [ "$status" -eq 0 ] || fail "installing into $folder failed (see above); run this again when \
the package index can be reached. What is pinned is in scripts/lock.txt; EDGE_UNLOCKED=1 takes the \
newest versions that fit instead, without a check of hashes"
}

_prepare() {
    local folder=$1 extras=$2 constraints=$3 newest=$4 version key base stamp wanted
    IFS=, read -ra wanted <<<"$extras"
    stamp="$folder/edge-installed"
    if version=$(_standing_version "$folder" "$newest"); then
        key=$(_stamp_key "$version" "$constraints")
        if grep -qx "key $key" "$stamp" 2>/dev/null; then
            ! _has_extras "$stamp" "${wanted[@]}" || return 0
        else
            rm -f "$stamp"
        fi
    else
        base=$(_find_python "$newest") || exit
        version=$(_python_version "$base")
        printf 'making %s with Python %s\n' "${folder##*/}" "$version" >&2
        _make_venv "$folder" "$base"
        key=$(_stamp_key "$version" "$constraints")
    fi
    printf 'installing edge-swap[%s] into %s (the first time takes minutes)\n' \
        "$extras" "${folder##*/}" >&2
    _install "$folder" "$extras" "$constraints" "$version"
    {
        echo "key $key"
        # What was installed before under the same key is still there.
        {
            [ ! -e "$stamp" ] || grep '^extra ' "$stamp"
            printf 'extra %s\n' "${wanted[@]}"
        } | sort -u
    } >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

use_environment() {
    local folder="$ROOT/$1" extras=$2 constraints=${3:-} newest=${4:-}
    # Two scripts at once must not install into one environment at once.
    if command -v flock >/dev/null; then
        (
            flock 9
            _prepare "$folder" "$extras" "$constraints" "$newest"
        ) 9>"$folder.lock" || exit
    else
        (_prepare "$folder" "$extras" "$constraints" "$newest") || exit
    fi
    # shellcheck disable=SC2034  # for the script that sources this
    PYTHON="$folder/bin/python"
}

# Install pnnx into the environment in use, where it is not: the program in it converts to ncnn;
# PyTorch, which the package asks for, is not needed.
install_pnnx() {
    "$PYTHON" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("pnnx") is None)' ||
        { "$PYTHON" "$ROOT/scripts/locked.py" "$ROOT/scripts/lock.txt" pnnx |
            awk '/^[^ ]/ {wanted = /^pnnx==/} wanted' >"$PYTHON.pnnx" &&
            "$PYTHON" -m pip install -qq --no-deps --require-hashes -r "$PYTHON.pnnx"; } ||
        echo "pnnx could not be installed: files for ncnn are not tried" >&2
}
