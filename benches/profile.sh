#!/usr/bin/env bash
# Says where the CPU time of a command goes: shares by thread and by kind of work.
#
#   benches/profile.sh COMMAND [ARGUMENTS]
#
# Threads without a name of their own are told apart by number, in the order in which they started.
# Needs Linux's perf and the right to use it.
set -euo pipefail

work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-profile.XXXXXX")
trap 'rm -rf "$work"' EXIT
perf record --quiet --freq 3999 --output "$work/data" -- "$@" >/dev/null
perf script --input "$work/data" --fields comm,tid,ip,sym,dso 2>/dev/null |
    awk '
        function kind(line) {
            if (line ~ /ZSTD_compressBlock|ZSTD_buildSeqStore|ZSTD_count/) return "zstd: search"
            if (line ~ /ZSTD_|HUF_|FSE_|HIST_/) return "zstd: coding"
            if (line ~ /blake3/) return "BLAKE3"
            if (line ~ /crc/) return "CRC-32C"
            if (line ~ /ghash|gmac/) return "GHASH"
            if (line ~ /aes_gcm/) return "AES-GCM"
            if (line ~ /fearless_simd|anchors/) return "scan for anchors"
            if (line ~ /place_near|equal_forward|equal_backward|matcher|history/) return "matching"
            if (line ~ /memmove|memcpy|memset|memcmp/) return "memory to memory"
            if (line ~ /copy_to_iter|copy_page_to_iter|filemap_|file_read_iter/) return "kernel: reading"
            if (line ~ /from_iter|write_iter|write_begin|write_end|perform_write/) return "kernel: writing"
            if (line ~ /fault|clear_page|do_anonymous|unmap_page|free_folio/) return "kernel: fresh memory"
            if (line ~ /kernel/) return "kernel: the rest"
            if (line ~ /malloc|_int_free|cfree|realloc|alloc::/) return "allocation"
            if (line ~ /bakpak_format|tar::|bincode/) return "formats"
            return "the rest"
        }
        {
            thread = $1 ~ /worker/ ? "workers" : $1
            if ($1 !~ /worker/) {
                if (!($2 in number)) number[$2] = ++threads
                thread = thread " " number[$2]
            }
            share[thread "\t" kind($0)]++
            whole[thread]++
            all++
        }
        END {
            for (thread in whole) printf "%5.1f\t%s\t\n", 100 * whole[thread] / all, thread
            for (both in share) printf "%5.1f\t%s\n", 100 * share[both] / all, both
            printf "%5.2f\tseconds of CPU\t\n", all / 3999
        }' |
    sort -t "$(printf '\t')" -k2,2 -k1,1nr |
    awk -F '\t' '$3 == "" { printf "%s %s\n", $1, $2; next } $1 >= 0.3 { printf "      %s %s\n", $1, $3 }'
