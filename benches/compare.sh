#!/usr/bin/env bash
# Compares bakpak with `tar | zstd | age` on the same files, and keeps the numbers.
#
#   benches/compare.sh CORPUS
#
# CORPUS is a directory of SQL Server backups; a synthetic home directory is added to it.
# RUNS=5: runs of each command. SIZE=1G: size of the home directory. RESULTS=DIR: where the results
# go, instead of below benches/results/. TMPDIR needs about four times the size of all files.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

target=${CARGO_TARGET_DIR:-$repository/target}
runs=${RUNS:-5}
size=${SIZE:-1G}
[ $# -eq 1 ] && [ -d "$1" ] || {
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
corpus=$(cd "$1" && pwd)
for tool in hyperfine /usr/bin/time tar zstd age age-keygen rsync; do
    command -v "$tool" >/dev/null || {
        echo "compare.sh: error: $tool is not installed" >&2
        exit 1
    }
done
results=$(results_folder)
for name in summary.md runs.tsv processes.tsv commands.txt; do
    refuse_to_replace "$results/$name"
done
description=$(describe_machine)

(
    cd "$repository"
    cargo build --quiet --release -p bakpak
    cargo build --quiet --release -p bakpak-benches --bin make-home
)

# All commands run here, with relative names: what is written down shows no folder of this machine.
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-compare.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
cp "$target/release/bakpak" "$target/release/make-home" "$work/bin/"
cd "$work"

echo "making the files" >&2
rsync -a --chmod=u+w "$corpus/" sql/
bin/make-home home "$size" >/dev/null
bin/bakpak key generate -o bench.key >/dev/null 2>&1
age-keygen -o age.key 2>/dev/null
age-keygen -y age.key >age.recipient
# Read once: every run finds the files in the system's cache.
stream_bytes=$(tar -c sql home | wc -c)
content_bytes=$(find sql home -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%d", sum }')
file_count=$(find sql home -type f | wc -l)

# Each process is measured by /usr/bin/time: the peaks of a pipeline's processes are added up.
export TIME='%C\t%M'
T='/usr/bin/time -a -o peaks'

bakpak_pack="$T bin/bakpak pack -o a.bakpak --sql sql --home home --key-file bench.key --quiet"
rival_pack="$T tar -c sql home | $T zstd -q -T0 -3 | $T age -R age.recipient >a.tar.zst.age"
bakpak_unpack="$T bin/bakpak unpack a.bakpak --to out --key-file bench.key"
rival_unpack="$T age -d -i age.key a.tar.zst.age | $T zstd -q -d | $T tar -x -C out"
bakpak_verify="$T bin/bakpak verify a.bakpak --key-file bench.key"
rival_verify="$T age -d -i age.key a.tar.zst.age | $T zstd -q -t"

# What is written must have reached the disk before the next clock starts.
before_pack="rm -f %; sync"
before_unpack="rm -rf out; mkdir out; sync"

# measure VERB CONTESTANT RUN PREPARATION COMMAND
measure() {
    rm -f peaks one.csv
    hyperfine --style none --runs 1 --shell 'bash -o pipefail' --export-csv one.csv \
        --command-name "$2" --prepare "$4" "$5" >/dev/null 2>hyperfine.log || {
        cat hyperfine.log >&2
        echo "compare.sh: error: run $3 of $1 by $2 failed" >&2
        exit 1
    }
    awk -v verb="$1" -v run="$3" '
        FNR == NR { peak += $NF; next }
        FNR == 2 {
            split($0, f, ",")
            printf "%s\t%s\t%d\t%.3f\t%.3f\t%.3f\t%d\n", verb, f[1], run, f[2], f[5], f[6], peak
        }' FS='\t' peaks one.csv >>runs.tsv
    sed "s/^/$1\t$2\t$3\t/" peaks >>processes.tsv
    [ "$3" -gt 1 ] || printf '%s, %s:\n    %s\n' "$1" "$2" "${5//"$T "/}" >>commands.txt
}

# What was unpacked otherwise than it was packed.
differences() { rsync -naiAXHS --delete --checksum sql home out/; }

check_unpacked() {
    local found
    found=$(differences)
    [ -z "$found" ] || {
        echo "compare.sh: error: bakpak did not unpack what it packed:" >&2
        echo "$found" | sed -n '1,10p' >&2
        exit 1
    }
}

printf 'verb\tcontestant\trun\twall_s\tuser_s\tsystem_s\tpeak_kib\n' >runs.tsv
printf 'verb\tcontestant\trun\tcommand\tpeak_kib\n' >processes.tsv
: >commands.txt
for run in $(seq "$runs"); do
    echo "run $run of $runs" >&2
    measure pack bakpak "$run" "${before_pack/\%/a.bakpak}" "$bakpak_pack"
    measure pack tar-zstd-age "$run" "${before_pack/\%/a.tar.zst.age}" "$rival_pack"
    measure pack tar-zstd-age-sync "$run" "${before_pack/\%/a.tar.zst.age}" "$rival_pack && sync a.tar.zst.age"
    measure unpack bakpak "$run" "$before_unpack" "$bakpak_unpack"
    [ "$run" -gt 1 ] || check_unpacked
    measure unpack tar-zstd-age "$run" "$before_unpack" "$rival_unpack"
    [ "$run" -gt 1 ] || differences >rival-differences
    measure unpack tar-zstd-age-sync "$run" "$before_unpack" "$rival_unpack && sync -f out"
    measure verify bakpak "$run" sync "$bakpak_verify"
    measure verify tar-zstd-age "$run" sync "$rival_verify"
done

# column NUMBER VERB CONTESTANT: that column of its runs, sorted; columns 5 and 6 are added up.
column() {
    awk -F '\t' -v n="$1" -v verb="$2" -v contestant="$3" '
        $1 == verb && $2 == contestant { print n == 5 ? $5 + $6 : $n }' runs.tsv | sort -g
}

median() { awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

row() {
    local wall least most cpu peak rival
    wall=$(column 4 "$1" "$2" | median)
    least=$(column 4 "$1" "$2" | sed -n '1p')
    most=$(column 4 "$1" "$2" | sed -n '$p')
    cpu=$(column 5 "$1" "$2" | median)
    peak=$(column 7 "$1" "$2" | median)
    rival=$(column 4 "$1" tar-zstd-age | median)
    awk -v verb="$1" -v name="$2" -v wall="$wall" -v least="$least" -v most="$most" -v cpu="$cpu" \
        -v peak="$peak" -v rival="$rival" -v bytes="$content_bytes" 'BEGIN {
        printf "| %s | %s | %.2f | %.2f-%.2f | %.2f | %.2f | %.0f | %.0f |\n", verb, name, wall,
            least, most, wall / rival, cpu, peak / 1024, bytes / wall / 1e6 }'
}

size_row() {
    local len
    len=$(stat -c %s "$2")
    awk -v name="$1" -v len="$len" -v bytes="$content_bytes" 'BEGIN {
        printf "| %s | %d | %.1f %% |\n", name, len, 100 * len / bytes }'
}

{
    echo "# bakpak against tar, zstd and age"
    echo
    echo "$description"
    echo "- rivals: $(tar --version | sed -n 1p), zstd $(zstd --version | sed 's/.* v\([0-9.]*\).*/\1/'), age $(age --version); measured with $(hyperfine --version)"
    echo "- files: a directory of SQL Server backups ($(du -sb sql | cut -f 1) bytes) and a synthetic home directory (\`make-home home $size\`): $file_count files of $content_bytes bytes, as a tar $stream_bytes"
    echo "- on $(df --output=fstype . | sed -n 2p), files in the system's cache"
    echo "- command: \`RUNS=$runs SIZE=$size benches/compare.sh DIRECTORY\`, $runs runs of each in turn"
    echo
    echo "Wall and CPU in seconds, memory in MiB, rate in 10^6 bytes of files a second; medians. \"against\" is the"
    echo "wall time divided by that of tar-zstd-age. bakpak returns when its output is on the disk; so does"
    echo "tar-zstd-age-sync, tar-zstd-age leaves it in the system's cache. Memory is the sum of the peaks of"
    echo "all processes. Raw numbers: runs.tsv, processes.tsv; the commands: commands.txt."
    echo
    echo "| verb | contestant | wall | least-most | against | CPU | memory | rate |"
    echo "|---|---|---|---|---|---|---|---|"
    for verb in pack unpack verify; do
        for contestant in bakpak tar-zstd-age tar-zstd-age-sync; do
            [ "$verb $contestant" = "verify tar-zstd-age-sync" ] || row "$verb" "$contestant"
        done
    done
    echo
    echo "| archive | bytes | of the files |"
    echo "|---|---|---|"
    size_row bakpak a.bakpak
    size_row tar-zstd-age a.tar.zst.age
    echo
    echo "What bakpak unpacked is identical with what it packed (\`rsync -naiAXHS --delete --checksum\`"
    echo "prints nothing); for tar-zstd-age it names $(wc -l <rival-differences) differences."
} >summary.md

mkdir -p "$results"
cp summary.md runs.tsv processes.tsv commands.txt "$results/"
cat summary.md
