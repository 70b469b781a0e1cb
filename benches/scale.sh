#!/usr/bin/env bash
# Packs and reads archives of up to 100 million entries and 20 million chunks, and keeps what `scale`
# says of each.
#
#   benches/scale.sh [ARCHIVE...]      of those below; all of them without a name
#
# They go one after the other into a folder below $TMPDIR, 11 GiB at most. RESULTS=DIR puts the
# results elsewhere than below benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

archives="f10m f20m f100m l2m c20m c12m n6g n16g"

# How it is packed, and the verbs that read it then.
plan() {
    case $1 in
        f10m) echo "files 10000000: verify keyless list cat" ;;
        f20m) echo "files 20000000: verify pipe" ;;
        f100m) echo "files 100000000: verify list cat" ;;
        l2m) echo "linked 2000000: verify" ;;
        c20m) echo "chunks 20000000:" ;;
        c12m) echo "copies 12000000: verify pipe" ;;
        n6g) echo "noise 6144: verify keyless unpack" ;;
        n16g) echo "noise 16384:" ;;
        *)
            echo "scale.sh: error: there is no archive '$1'; there are: $archives" >&2
            return 2
            ;;
    esac
}

chosen=${*:-$archives}
for archive in $chosen; do
    plan "$archive" >/dev/null
done
results=$(results_folder)
raw=$results/scale.txt
summary=$results/scale.md
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
cargo build --quiet --release -p bakpak-benches --bin scale
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-scale.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "${CARGO_TARGET_DIR:-target}/release/scale" "$work/scale"
cd "$work"

run() {
    echo "\$ scale $*"
    ./scale "$@"
    echo "load $(cut -d ' ' -f 1 /proc/loadavg)"
}

for archive in $chosen; do
    plan=$(plan "$archive")
    # shellcheck disable=SC2086 # two words: what, and how many
    run pack "$archive" ${plan%%:*}
    for verb in ${plan#*:}; do
        run "$verb" "$archive"
    done
    rm "$archive"
done | tee scale.txt

mkdir -p "$results"
cp scale.txt "$raw"
{
    echo "# Scale"
    echo
    echo "$description"
    echo "- command: \`benches/scale.sh${*:+ $*}\`"
    echo "- the load at the end of each run stands in the table: where it is above 2 on two processors,"
    echo "  times tell only whether they are constant"
    echo
    echo "Raw output, with time and memory of each tenth of the input: [scale.txt](scale.txt). What follows"
    echo "from it: format-spec/rationale.md, \"Scale\"."
    echo
    echo "| run | seconds | first tenth, last | peak MiB | load |"
    echo "|---|---:|---:|---:|---:|"
    awk '
        /^\$ scale / { run = substr($0, 9); seconds = first = last = "" }
        $1 == "seconds" { seconds = $2 }
        $1 == "tenth" { last = $3; if ($2 == "1:") first = $3 }
        $1 == "opened" || $1 == "read" { seconds = $(NF - 1) }
        $1 == "peak" { peak = $2 }
        $1 == "load" {
            tenths = first == "" ? "" : first ", " last
            printf "| %s | %s | %s | %s | %s |\n", run, seconds, tenths, peak, $2
        }' "$raw"
    echo
    echo "| archive | entries, chunks, bytes |"
    echo "|---|---|"
    awk '
        /^\$ scale pack / { archive = $4 }
        $1 == "entries" { printf "| %s | %s |\n", archive, $0 }' "$raw"
} >"$summary"
cat "$summary"
