# shellcheck shell=bash
#
# The virtual environment and the tree it runs. Sourced, never run.
#
# Root may keep its checkout where the ordinary user cannot look (/root, for one), so root copies the tree to
# a place that user can, and gives it to that user: root itself then runs nothing from it.

if is_root; then
    SOURCE=$PREFIX/src
    VENV=$PREFIX/venv
else
    SOURCE=$CHECKOUT
    VENV=$CHECKOUT/.venv
fi

# ensure_python run|dev: dev adds what the checks and the tests need.
ensure_python() {
    if is_root; then
        ensure_user
        stage_tree
    fi
    ensure_venv
    ensure_installed "$1"
}

# ---------------------------------------------------------------- the tree

# Files are copied over the old ones, and old ones without a new one go; caches stay, so a second run is quick.
stage_tree() {
    local list gone
    # shellcheck disable=SC2034 # read when something fails
    CURRENT_STEP="copying the tree to $SOURCE"
    install -d -m 755 "$PREFIX"
    install -d -m 755 -o "$RUN_USER" -g "$(id -gn "$RUN_USER")" "$SOURCE"
    list=$(mktemp)
    list_tree >"$list"
    tar -C "$CHECKOUT" --no-recursion --null --files-from="$list" -cf - | as_user tar -C "$SOURCE" --no-same-owner -xf -
    gone=$(comm -z -13 "$list" <(list_files "$SOURCE") | tr '\0' '\n')
    rm -f "$list"
    [[ -z $gone ]] || printf '%s\n' "$gone" | AS_USER_IN=$SOURCE as_user xargs -d '\n' rm -f --
}

# Sorted, zero-terminated names: what git tracks or would track, else everything.
list_tree() {
    local name
    if have git && git_here rev-parse --git-dir >/dev/null 2>&1; then
        git_here ls-files -co --exclude-standard -z | while IFS= read -r -d '' name; do
            if [[ -e $CHECKOUT/$name ]]; then printf '%s\0' "$name"; fi # a deleted file is still listed
        done | LC_ALL=C sort -zu
    else
        list_files "$CHECKOUT"
    fi
}

# A checkout may belong to another user than root; it is only read.
git_here() { git -c safe.directory='*' -C "$CHECKOUT" "$@"; }

list_files() {
    find "$1" \( -name .git -o -name .venv -o -name __pycache__ -o -name '.*cache' -o -name .hypothesis -o -name '*.egg-info' \) -prune \
        -o \( -type f -o -type l \) -printf '%P\0' | LC_ALL=C sort -z
}

# ---------------------------------------------------------------- the environment

ensure_venv() {
    if [[ -x $VENV/bin/pip ]] && as_user "$VENV/bin/python" -c '' 2>/dev/null; then return; fi
    if is_root && [[ -x /usr/bin/apt-get ]]; then ensure_venv_module; fi
    local python
    python=$(find_python) || die "no Python 3.11 or newer with the venv module that $RUN_USER can run: apt-get install python3-venv"
    step "Creating the virtual environment $VENV"
    if is_root; then install -d -m 755 -o "$RUN_USER" -g "$(id -gn "$RUN_USER")" "$VENV"; fi
    quietly as_user "$python" -m venv --clear "$VENV"
}

ensure_venv_module() { find_python >/dev/null || install_packages python3-venv; }

find_python() {
    local python
    for python in /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3; do
        python=$(command -v "$python") || continue
        if as_user "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$python"
            return
        fi
    done
    return 1
}

# pip runs only when pyproject.toml is not the one it ran for.
ensure_installed() {
    local what=. stamp
    stamp=$(sha256sum <"$SOURCE/pyproject.toml")
    if [[ $1 == dev ]]; then what=".[dev]"; fi
    if installed_for "$stamp" "$1"; then return; fi
    step "Installing the program and its dependencies into $VENV"
    AS_USER_IN=$SOURCE quietly as_user "$VENV/bin/pip" install --disable-pip-version-check --editable "$what"
    printf '%s' "$stamp" | as_user tee "$VENV/installed.$1" >/dev/null
}

# What is installed for the tests is good for running, too.
installed_for() {
    local stamp=$1 file
    for file in "$VENV/installed.$2" "$VENV/installed.dev"; do
        [[ $(cat "$file" 2>/dev/null) != "$stamp" ]] || return 0
    done
    return 1
}

# Run one of the environment's programs on the tree, as the ordinary user.
in_tree() {
    local program=$1
    shift
    AS_USER_IN=$SOURCE as_user PATH="$VENV/bin:$PATH" "$program" "$@"
}
