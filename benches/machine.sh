# shellcheck shell=bash
# Sourced by the scripts beside it: where results go, and what they say about the machine. No host
# names, no paths.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

cpu_model() {
    local model
    model=$(sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo | sed -n '1p')
    echo "${model:-$(uname -m)}"
}

# A folder such as `2026-03-01-2x-amd-epyc`; $RESULTS instead, if it is set.
results_folder() {
    local machine
    machine=$(echo "$(nproc)x $(cpu_model)" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9\n' '-')
    echo "${RESULTS:-$repository/benches/results/$(date -u +%F)-${machine%-}}"
}

# Every published run is kept: nothing is written over.
refuse_to_replace() {
    if [ -e "$1" ]; then
        echo "$(basename "$0"): error: there is a $(basename "$1") of this day and machine; move it away first" >&2
        exit 31
    fi
}

describe_machine() {
    local commit changes
    commit=$(git -C "$repository" rev-parse --short=12 HEAD)
    changes=$(git -C "$repository" diff --name-only HEAD | paste -sd ' ')
    [ -z "$changes" ] || commit="$commit and changes that are not committed ($changes)"
    echo "- date: $(date -u +%FT%RZ)"
    echo "- machine: $(nproc) x $(cpu_model), $(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB, $(uname -s) $(uname -r | sed 's/[^0-9.].*//')"
    echo "- load at the start: $(cut -d ' ' -f 1-3 /proc/loadavg) (of 1, 5 and 15 minutes)"
    echo "- bakpak: $commit, $(rustc --version)"
}
