#!/usr/bin/env bash
# One command from a fresh clone to an open window; see `./run.sh help`.
#
# Works from any directory, with spaces in paths, again and again. Written for bash 3.2 (macOS) and later.
# Exit codes: 0 done · 1 something is missing or failed, one line says what to do · 2 wrong arguments ·
# otherwise those of the program that was run.

set -euo pipefail
unset CDPATH

say() { printf '%s\n' "$*"; }
complain() { printf 'run.sh: %s\n' "$*" >&2; }
die() { complain "$@"; exit 1; }

# Make the directory $1, or say which variable $2 names a better one.
ensure_writable() {
    mkdir -p "$1" 2>/dev/null || die "cannot make the directory $1. Choose another place: $2=DIR $0"
    [ -w "$1" ] || die "cannot write to $1. Choose another place: $2=DIR $0"
}

# The directory of this script, through symbolic links.
checkout() {
    local path=${BASH_SOURCE[0]} target
    while [ -L "$path" ]; do
        target=$(readlink "$path")
        case $target in /*) path=$target ;; *) path=$(dirname "$path")/$target ;; esac
    done
    cd -P "$(dirname "$path")" && pwd
}

root=$(checkout)
home=${SFOS_HOME:-$root}
venv=${SFOS_VENV:-$root/.venv}
case $home in /*) ;; *) home=$PWD/$home ;; esac
case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
export SFOS_HOME=$home

usage() {
    cat <<'HELP'
./run.sh                 set up what is missing, start the server, open the window; closing the window stops the server
./run.sh setup           set up only: Python environment, dependencies, certificate, accounts
./run.sh server …        the server alone                          (python ssl_server.py …)
./run.sh gui …           the window alone, for any server          (python gui_client.py …)
./run.sh cli …           the command line                          (python cli_client.py …)
./run.sh manage …        look after the storage                    (python manage_storage.py …)
./run.sh test …          all tests (arguments go to pytest)
./run.sh check           style, types and floors
./run.sh bench …         this project side by side with its peers  (python bench/compare.py …)
./run.sh bench NAME …    another program of bench/; --list names them
./run.sh torture …       try for an hour to break what is promised (docs/reliability.md); --list names the attempts

SFOS_HOME    where keys, files and logs are kept  (default: the folder of run.sh)
SFOS_VENV    the Python environment               (default: .venv in the folder of run.sh)
SFOS_PYTHON  the Python to make it with           (default: the newest that has venv and tkinter)
HELP
}

# --- The system's packages --------------------------------------------------------------------------------------------

package_manager() {
    local manager
    for manager in apt-get dnf yum zypper pacman apk brew; do
        if command -v "$manager" >/dev/null 2>&1; then
            say "$manager"
            return
        fi
    done
}

# The package that brings $2 with the package manager $1.
package_of() {
    case $1:$2 in
        apt-get:venv) say python3-venv ;;
        dnf:venv | yum:venv | zypper:venv) say python3-pip ;;
        pacman:python | pacman:venv) say python ;;
        apk:venv) say py3-pip ;;
        # libXcursor: without it files cannot be dropped into the window.
        apt-get:tkinter) say python3-tk libxcursor1 ;;
        zypper:tkinter) say python3-tk libXcursor1 ;;
        dnf:tkinter | yum:tkinter) say python3-tkinter libXcursor ;;
        apk:tkinter) say python3-tkinter libxcursor ;;
        pacman:tkinter) say tk libxcursor ;;
        brew:tkinter) say python-tk ;;
        apt-get:Xvfb | apk:Xvfb) say xvfb ;;
        dnf:Xvfb | yum:Xvfb) say xorg-x11-server-Xvfb ;;
        zypper:Xvfb) say xorg-x11-server-Xvfb ;;
        pacman:Xvfb) say xorg-server-xvfb ;;
        brew:python | brew:venv) say python ;;
        dnf:shellcheck | yum:shellcheck | zypper:shellcheck) say ShellCheck ;;
        *:python) say python3 ;;
        *) say "$2" ;;
    esac
}

# What a person types to install $@ (venv, tkinter, Xvfb, …); nothing if this system is unknown.
install_command() {
    local manager packages="" item
    manager=$(package_manager)
    for item in "$@"; do packages="$packages $(package_of "$manager" "$item")"; done
    case $manager in
        apt-get) say "sudo apt-get install -y$packages" ;;
        dnf | yum) say "sudo $manager install -y$packages" ;;
        zypper) say "sudo zypper --non-interactive install$packages" ;;
        pacman) say "sudo pacman -S --noconfirm$packages" ;;
        apk) say "sudo apk add$packages" ;;
        brew) say "brew install$packages" ;;
    esac
}

# Install $@ if that needs no password; fails, with a reason on stderr, if it cannot be done.
install_packages() {
    local command log
    command=$(install_command "$@")
    [ -n "$command" ] || return 1
    if [ "$(id -u)" -eq 0 ]; then
        command=${command#sudo }
    elif [ "${command#sudo }" != "$command" ]; then
        sudo -n true 2>/dev/null || return 1
        command="sudo -n ${command#sudo }"
    fi
    say "Installing: $command"
    log=$(mktemp)
    # Word splitting is meant: the command is made of fixed words above.
    # shellcheck disable=SC2086
    if DEBIAN_FRONTEND=noninteractive $command >"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    # A bare image has no lists of packages yet.
    # shellcheck disable=SC2086
    if [ "$(package_manager)" = apt-get ] &&
        ${command%%apt-get*} apt-get update >>"$log" 2>&1 &&
        DEBIAN_FRONTEND=noninteractive $command >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    tail -n 3 "$log" >&2
    rm -f "$log"
    return 1
}

# Say how to get $@ (after $1, the sentence), and stop.
die_for_packages() {
    local sentence=$1 command
    shift
    command=$(install_command "$@")
    die "$sentence${command:+ Install it: $command}"
}

# --- Python -----------------------------------------------------------------------------------------------------------

# What the Python $1 lacks of "venv tkinter", or "old" or "none".
lacking() {
    "$1" - 2>/dev/null <<'PYTHON' || say none
import importlib.util, sys
if sys.version_info < (3, 11):
    print("old")
else:
    def has(*names):
        try:
            return all(importlib.util.find_spec(name) for name in names)
        except ImportError:
            return False
    print(*([] if has("venv", "ensurepip") else ["venv"]), *([] if has("_tkinter", "tkinter") else ["tkinter"]))
PYTHON
}

candidates() {
    local name
    if [ -n "${SFOS_PYTHON:-}" ]; then
        say "$SFOS_PYTHON"
        return
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        command -v "$name" 2>/dev/null || true
    done
    for name in /usr/bin/python3 /usr/local/bin/python3; do
        [ ! -x "$name" ] || say "$name"
    done
}

# The best Python there is goes into $python and what it lacks into $lacks: complete, else without tkinter, else without
# venv. $python is empty if none is new enough, and $too_old then names one that is not.
choose_python() {
    local candidate missing rank best=9
    python="" lacks="" too_old=""
    while IFS= read -r candidate; do
        missing=$(lacking "$candidate")
        case $missing in
            "") rank=0 ;;
            tkinter) rank=1 ;;
            venv) rank=2 ;;
            "venv tkinter") rank=3 ;;
            old) too_old=$candidate && continue ;;
            *) continue ;;
        esac
        if [ "$rank" -lt "$best" ]; then best=$rank python=$candidate lacks=$missing; fi
        if [ "$best" -eq 0 ]; then return; fi
    done < <(candidates)
}

find_python() {
    choose_python
    if [ -z "$python" ] && [ -n "${SFOS_PYTHON:-}" ]; then
        die "SFOS_PYTHON=$SFOS_PYTHON is not Python 3.11 or newer. Set it to one that is, or unset it."
    fi
    if [ -z "$python" ] && [ -z "$too_old" ] && install_packages python venv tkinter; then choose_python; fi
    if [ -z "$python" ] && [ -n "$too_old" ]; then
        die "Python 3.11 or newer is needed; $too_old is $("$too_old" -V 2>&1). Install one, then: SFOS_PYTHON=/path/to/it $0"
    fi
    if [ -z "$python" ]; then die_for_packages "Python 3.11 or newer is needed." python venv tkinter; fi
    # shellcheck disable=SC2086  # a list of words
    if [ -n "$lacks" ] && install_packages $lacks; then choose_python; fi
    case $lacks in
        venv*) die_for_packages "$python lacks the module venv." venv ;;
        tkinter) complain "$python lacks tkinter, so there will be no window. To have one: $(install_command tkinter), then remove $venv" ;;
    esac
}

fingerprint() { # of the pinned versions in $1 and the Python they are installed for
    cat "$root/requirements.txt" "$1" | cksum
    "$venv/bin/python" -V
}

# An environment with what the file $1 (in the checkout) pins; the stamp $2 in it says that it is there already.
ensure_environment() {
    local requirements=$root/$1 stamp=$venv/$2 log
    if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(fingerprint "$requirements")" = "$(cat "$stamp")" ]; then
        return
    fi
    if ! { [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
        find_python
        ensure_writable "$venv" SFOS_VENV
        # --clear below empties the directory, so it has to be ours.
        if [ -n "$(ls -A "$venv")" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
            die "$venv holds something else than a Python environment. Choose another place: SFOS_VENV=DIR $0"
        fi
        say "Making the Python environment $venv"
        "$python" -m venv --clear "$venv" || die "the Python environment could not be made; see above."
    fi
    ensure_writable "$venv" SFOS_VENV
    say "Installing what $1 names (only this once)"
    log=$(mktemp)
    if ! "$venv/bin/python" -m pip install --disable-pip-version-check --quiet -r "$requirements" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        die "the dependencies could not be installed; is there a network? Then run this again."
    fi
    rm -f "$log"
    fingerprint "$requirements" >"$stamp"
}

has_tkinter() { "$venv/bin/python" -c 'import tkinter' 2>/dev/null; }

has_dropping() { "$venv/bin/python" -c 'import ctypes; ctypes.CDLL("libXcursor.so.1")' 2>/dev/null; }

ensure_tkinter() { has_tkinter || { install_packages tkinter && has_tkinter; }; }

# --- Where everything is kept -----------------------------------------------------------------------------------------

ensure_home() {
    local name
    for name in server_storage logs temp; do
        ensure_writable "$home/$name" SFOS_HOME
    done
    (umask 077 && ensure_writable "$home/secrets" SFOS_HOME) || exit 1
    if [ ! -s "$home/secrets/certificate.pem" ] || [ ! -s "$home/secrets/private_key.pem" ]; then
        "$venv/bin/python" "$root/generate_certificate.py" --if-missing || exit 1
    fi
    if [ ! -s "$home/secrets/credentials.json" ]; then
        "$venv/bin/python" "$root/create_credentials.py" || exit 1
    fi
}

program() { # the program $1 with the rest as its arguments, in place of this script
    local file=$root/$1
    shift
    [ -f "$file" ] || die "$file is missing; is the checkout complete?"
    exec "$venv/bin/python" "$file" "$@"
}

# --- Server and window together ---------------------------------------------------------------------------------------

server_pid="" window_pid="" watcher_pid="" pipe_dir=""

has_display() {
    [ "$(uname -s)" = Darwin ] || [ -n "${DISPLAY:-}" ]
}

# Stop what was started: ask, wait a little longer than the server's own grace of 10 s, then insist.
stop_process() {
    local pid=$1 tenths=0
    [ -n "$pid" ] || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null && [ "$tenths" -lt 150 ]; do
        sleep 0.1
        tenths=$((tenths + 1))
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

clean_up() {
    trap '' INT TERM HUP
    [ -z "$watcher_pid" ] || kill -KILL "$watcher_pid" 2>/dev/null || true
    stop_process "$window_pid"
    stop_process "$server_pid"
    [ -z "$pipe_dir" ] || rm -rf "$pipe_dir"
}

# Read on what the server says (standard input) to its end, which is that of the server, however it ends.
tell_of_the_end() {
    local line
    while IFS= read -r line; do say "$line"; done
    complain "the server has ended; what it had acknowledged is kept. Close the window and start again: $0. Why it ended: $home/logs/server.log"
}

# Start the server and put HOST:PORT of its line "ready HOST:PORT" into $address. The window starts beside it, so that
# both load at once, and waits for the address on its standard input.
start_both() {
    local line
    pipe_dir=$(mktemp -d)
    mkfifo "$pipe_dir/ready" "$pipe_dir/address"
    "$venv/bin/python" "$root/ssl_server.py" >"$pipe_dir/ready" &
    server_pid=$!
    # Held open for writing by this script alone: if it dies, the window reads the end of the file.
    exec 4<>"$pipe_dir/address"
    "$venv/bin/python" "$root/gui_client.py" --server - <"$pipe_dir/address" 4>&- &
    window_pid=$!
    # Reading ends with the line, or with the server, which then has said why on stderr.
    exec 3<"$pipe_dir/ready"
    address=""
    while IFS= read -r line <&3; do
        case $line in
            "ready "*) address=${line#ready } && break ;;
            *) say "$line" ;;
        esac
    done
    if [ -z "$address" ]; then
        local status=0
        wait "$server_pid" || status=$?
        server_pid=""
        stop_process "$window_pid"
        window_pid=""
        complain "the server did not start (exit code $status); its reason is above, details are in $home/logs/server.log"
        exit 1
    fi
    tell_of_the_end <&3 4>&- &
    watcher_pid=$!
    exec 3<&-
}

# The address at which a window on this machine reaches a server that listens on $1.
reachable() {
    case $1 in
        0.0.0.0:*) say "127.0.0.1:${1##*:}" ;;
        "[::]:"*) say "[::1]:${1##*:}" ;;
        *) say "$1" ;;
    esac
}

run_together() {
    local status=0
    if ! has_display; then
        say "There is no display, so the server runs alone. Open a window elsewhere: ./run.sh gui"
        program ssl_server.py
    fi
    if ! ensure_tkinter; then
        say "This Python has no tkinter, so the server runs alone. For a window: $(install_command tkinter), then remove $venv"
        program ssl_server.py
    fi
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    start_both
    say "The server is ready on $address. Closing the window stops it."
    reachable "$address" >&4
    exec 4>&-
    wait "$window_pid" || status=$?
    window_pid=""
    exit "$status"
}

# --- Tests and checks -------------------------------------------------------------------------------------------------

# Programs that tests drive; installed where that needs no password, else the tests that need them say so.
ensure_test_programs() {
    local missing="" name
    for name in Xvfb xdotool shellcheck strace; do
        command -v "$name" >/dev/null 2>&1 || missing="$missing $name"
    done
    has_tkinter && has_dropping || missing="$missing tkinter"
    [ -n "$missing" ] && [ "$(uname -s)" != Darwin ] || return 0
    # shellcheck disable=SC2086  # a list of words
    install_packages $missing || complain "tests will be skipped for lack of$missing. Install: $(install_command $missing)"
}

run_tests() {
    ensure_environment requirements-dev.txt .sfos-dev
    ensure_test_programs
    cd "$root"
    # All of them: two processes for each core, each with a stretch of neighbours, since those share servers and windows.
    # Who is through takes half of what another still has before it, so that all end at about the same time.
    [[ $# -gt 0 ]] || set -- -n auto --dist worksteal
    exec "$venv/bin/python" -m pytest "$@"
}

run_torture() {
    ensure_environment requirements-dev.txt .sfos-dev
    if [ "$(uname -s)" = Linux ] && ! command -v strace >/dev/null 2>&1; then
        install_packages strace || complain "kills by the kernel will be left out for lack of strace. Install: $(install_command strace)"
    fi
    cd "$root"
    exec "$venv/bin/python" -m tests.torture "$@"
}

run_checks() {
    local status=0
    ensure_environment requirements-dev.txt .sfos-dev
    cd "$root"
    "$venv/bin/python" -m ruff check . || status=1
    "$venv/bin/python" -m ruff format --check . || status=1
    "$venv/bin/python" -m mypy || status=1
    "$venv/bin/python" -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' || status=1
    exit "$status"
}

run_bench() {
    local name=compare file
    case ${1:-} in
        --list)
            for file in "$root"/bench/*.py; do
                [ ! -e "$file" ] || say "$(basename "$file" .py)"
            done
            return
            ;;
        "" | -*) ;;
        *) name=$1 && shift ;;
    esac
    [ -f "$root/bench/$name.py" ] || die "there is no bench/$name.py; ./run.sh bench --list names what there is."
    ensure_environment requirements-dev.txt .sfos-dev
    cd "$root"
    PYTHONPATH=$root exec "$venv/bin/python" "$root/bench/$name.py" "$@"
}

# --- The words --------------------------------------------------------------------------------------------------------

main() {
    local word=${1:-}
    [ $# -eq 0 ] || shift
    case $word in
        "" | setup | server)
            if [ -z "$word" ] || [ "$word" = setup ]; then
                [ $# -eq 0 ] || { complain "$word takes no arguments; see ./run.sh help" && exit 2; }
            fi
            ensure_environment requirements.txt .sfos-run
            ensure_home
            case $word in
                setup) say "Everything is set up. Start it: $0" ;;
                server) program ssl_server.py "$@" ;;
                *) run_together ;;
            esac
            ;;
        gui)
            ensure_environment requirements.txt .sfos-run
            ensure_tkinter || die "this Python has no tkinter. Install it: $(install_command tkinter), then remove $venv"
            has_display || die "there is no display (DISPLAY is not set). Run this in a desktop session, or use: $0 cli"
            program gui_client.py "$@"
            ;;
        cli | manage)
            ensure_environment requirements.txt .sfos-run
            case $word in cli) program cli_client.py "$@" ;; *) program manage_storage.py "$@" ;; esac
            ;;
        test) run_tests "$@" ;;
        check) run_checks ;;
        bench) run_bench "$@" ;;
        torture) run_torture "$@" ;;
        help | -h | --help) usage ;;
        *)
            complain "unknown word: $word"
            usage >&2
            exit 2
            ;;
    esac
}

main "$@"
