//! Examples and notes below each help text, at most 80 columns wide.

pub(super) const PROGRAM: &str = "\
Examples:
  bakpak demo                               see the main job done in a minute
  bakpak key generate -o server.key         make a key; keep it apart
  bakpak pack -o server.bakpak --sql /backups --home /srv/octopus \\
      --key-file server.key
  bakpak verify --keyless server.bakpak     is the file whole? needs no secret
  bakpak repair server.bakpak -o mended.bakpak
  bakpak unpack server.bakpak --to /srv/restored --key-file server.key

Exit codes:
   0 done                          21 damaged, and repair can mend it
   1 failed                        23 incomplete: not all restorable
   2 wrong usage                   24 cut short
   3 warnings (--fail-on warning)  25 not supported by this version
  10 archive cannot be opened      30 target not ready
  11 locked by another run         31 would overwrite
  12 wrong passphrase or key       32 moment out of reach (plan)
  13 no key offered                70 error of the program
  20 damaged                       129, 130, 143 hung up, Ctrl-C, terminated";

/// Where secrets come from, the same for every verb that takes keys.
macro_rules! secrets {
    () => {
        "\
Secrets come from the first of these places that has any:
  the options above
  the variables BAKPAK_PASSPHRASE_FILE, BAKPAK_KEY_FILE and, discouraged since
    other programs may see it, BAKPAK_PASSPHRASE
  $CREDENTIALS_DIRECTORY/bakpak.passphrase or bakpak.key-file (systemd)
  the terminal"
    };
}

pub(super) const PACK_USAGE: &str = "\
bakpak pack -o OUT|- [--sql PATH]... [--home [NAME=]DIR]...
                   [--attach PATH]... [--stdin-entry NAME]
                   [--master-key-file F] [--secret NAME=F]... [OPTIONS]";

pub(super) const PACK: &str = concat!(
    "\
Examples:
  bakpak pack -o server.bakpak --sql /backups --home /srv/octopus \\
      --key-file server.key
  bakpak pack -o server.bakpak --sql /backups --home /srv/octopus \\
      --key-file server.key --contact 'on call: +49 30 1234567' \\
      --master-key-file master-key.txt --envelope-key-file safe.key
  bakpak pack -o - --home app=/srv/app --home www=/srv/www \\
      --exclude 'home/*/cache' | ssh backup 'cat > two.bakpak'
  pg_dump shop | bakpak pack -o shop.bakpak --stdin-entry shop.sql
  bakpak pack -o server.bakpak --sql /backups --key-file server.key --resume
  bakpak pack -o - --sql /backups --copy-reach 32M --key-file server.key \\
      | ssh standby 'bakpak unpack - --to /srv/restored'   no temporary file

SIZE is in bytes, or with K, M, G or T in powers of 1024. What was packed
before, in any entry, is copied instead of stored again; with --history 0 and
--dedup-memory 0 nothing is found to copy, as with --no-match.

A run that is killed leaves a hidden file beside OUT, and with --resume also one
that is interrupted or fails: the same command with --resume goes on with it, in
the middle of a file too. What is in it is checked first. The options of the
first run stand, so give the same sources, the same key, and the same secrets to
seal. A file that has changed is packed anew; what came from a pipe has to come
again; what was packed already is not looked at again.

Give one key. The envelope has another one, so that who can unpack the data
need not be able to read the master key; --envelope-same-passphrase waives
that.

GLOBs match paths in the archive: `*` stays within a directory, `**` does not.
One that matches nothing is an error. In [NAME=]DIR a NAME has no slash: a
directory `a=b` is typed `./a=b`.

",
    secrets!(),
    "
The envelope's come from the same places, named --envelope-...,
BAKPAK_ENVELOPE_... and bakpak.envelope-..."
);

pub(super) const VERIFY: &str = concat!(
    "\
Examples:
  bakpak verify --keyless server.bakpak               needs no secret
  bakpak verify server.bakpak --key-file server.key   can it be restored?
  ssh backup cat server.bakpak | bakpak verify - --key-file server.key
  bakpak verify server.bakpak --json | jq 'select(.type == \"finding\")'

Exits with 21 if `bakpak repair` can mend all damage, with 20 if it cannot, or if
that is not known: of an archive from a pipe.
All damage is told, not only the first. In place of a damaged head its copy at
the archive's end is read; from a pipe, whose end comes last, nothing is read
behind such a head. With a key every entry that damage hits is named, also where
it is hit through a copy. Several keys may be offered; one that fits is enough.

",
    secrets!()
);

pub(super) const REPAIR: &str = concat!(
    "\
Examples:
  bakpak repair server.bakpak -o mended.bakpak
  bakpak repair server.bakpak --in-place --key-file server.key

Blocks are mended by parity (`bakpak pack --parity`): with 3 %, up to 16 in a
row. Everything else has copies. Bytes that are missing are made good in the same
way, added ones are dropped. What comes out is proved by its checksums, with a
key by its seals too, before it appears.

Exits with 0 if the archive is whole or mended, with 20 if something is lost for
good: then nothing was written. Without any key nothing is asked for.

",
    secrets!()
);

pub(super) const SALVAGE: &str = concat!(
    "\
Examples:
  bakpak salvage server.bakpak --to /srv/rescued --key-file server.key
  bakpak salvage server.bakpak --to /srv/rescued --drop-damaged

For an archive that `bakpak repair` cannot mend: its start, its end, its
catalogue or a part of its middle may be missing. What stands in DIR where it
belongs is whole. Files of which bytes are missing are below DIR/damaged, with
zeros for what is missing. DIR/salvage.jsonl tells all that is missing, by entry
and byte range (docs/json.md).

DIR appears only at the end. Exits with 0 if nothing is missing, with 20 if
anything is.

",
    secrets!()
);

pub(super) const UNPACK: &str = concat!(
    "\
Examples:
  bakpak unpack server.bakpak --to /srv/restored --key-file server.key
  bakpak unpack server.bakpak --to logs --only home/TaskLogs --only '**/*.log'
  ssh backup cat server.bakpak | bakpak unpack - --to /srv/restored

DIR appears, or is changed, only after the whole archive was proved. GLOBs
match paths in the archive; one that matches nothing is an error. A hard link
whose file is not selected is restored as a file. What could not be read when
it was packed is told as a warning: --fail-on warning makes that an error.

If it was killed, type the same again: files that were complete are compared
with the archive and kept, all else is unpacked.

From a pipe the archive is kept, still sealed, in a temporary file meanwhile:
set TMPDIR to a directory with room for all of it. If it was packed with
--copy-reach SIZE, about 1.3 times SIZE is enough; with at most 32M, or with
--no-match, nothing is kept.

",
    secrets!()
);

pub(super) const LIST: &str = concat!(
    "\
Examples:
  bakpak list server.bakpak --key-file server.key
  bakpak list server.bakpak --long 'sql/**/*.bak' home/Packages
  bakpak list server.bakpak --json | jq -r '\"\\(.blake3)  \\(.path)\"'

Control characters in names are shown as \\n or \\u{1b}; -0 gives names as they
are.

",
    secrets!()
);

pub(super) const CAT: &str = concat!(
    "\
Examples:
  bakpak cat server.bakpak sql/Shop.bak --key-file server.key > Shop.bak
  bakpak cat server.bakpak --tar --key-file server.key | tar -x -C restored

What is written has authenticated, but with --tar the end is proved last: use
what tar made only if bakpak exits with 0. With 23 the tar is whole, but what it
has of the entries that are named is not their content: they could not be read to
their end when they were packed. Sources that are not in it at all are warned of.

",
    secrets!()
);

pub(super) const INSPECT: &str = concat!(
    "\
Examples:
  bakpak inspect Shop.bak                           what is in it, whose is it
  bakpak inspect --verify *.bak *.trn               is any of them damaged?
  bakpak inspect --verify Shop_1.bak Shop_2.bak     stripes, judged together
  bakpak inspect --json Shop.bak | jq '.sets[].DatabaseName'
  bakpak inspect server.bakpak                      what opens it
  bakpak inspect *.bakpak --key-file server.key     also what they hold

What a file is, its first bytes tell, not its name. Without --verify only the
headers of backups are read: a few kilobytes of a file of any size. With it each
kind of check is told by itself, and the verdict says no more than was checked.

Exits with 20 if a backup is damaged, 24 if its end is missing, and, with
--verify, 25 if it is encrypted or compressed by an unknown algorithm: nothing
can be said of it then. The worst of several files counts. Backups in an archive
are told as they were found when it was packed, and do not count.

Without any key nothing is asked for; of archives only what everyone can see is
shown.

",
    secrets!()
);

pub(super) const PLAN: &str = concat!(
    "\
Examples:
  bakpak plan /backups                            the newest state, from files
  bakpak plan server.bakpak --key-file server.key --database Orders
  bakpak plan /backups --at '2024-06-15 01:47'    as the server's clock went
  bakpak plan /backups --at '2024-06-15 01:47' --tz Europe/Berlin
  bakpak plan /backups --at 2024-06-14T23:47Z --json
  bakpak plan /backups --sql scripts --restore-from 'D:\\restore' \\
      --move-data 'E:\\data' --move-log 'F:\\log'

Nothing is restored or changed. Of an archive only what it tells of its backups
is read; backup files are read to their end, so that no step needs a damaged
one. Files below a directory that are no SQL Server backups are left out.

Exit codes: 23 if nothing can be restored, or something newer than what is
planned cannot be used; 32 if something can be restored, but not to TIME. Times that occur twice or never, where clocks are changed, are refused
with what to type instead.

",
    secrets!()
);

pub(super) const RUNBOOK: &str = concat!(
    "\
Examples:
  bakpak runbook server.bakpak --key-file server.key -o night.html
  bakpak runbook server.bakpak --target docker -o night.md
  bakpak runbook server.bakpak --rehearsal -o drill.md
  bakpak runbook server.bakpak --at '2024-06-15 01:47' | less

With -o night.md the T-SQL scripts are written into night-sql beside it; what is
there already is never overwritten. Without -o nothing is written, and the
runbook holds the command that writes the scripts. It holds no secret; print it
and keep it apart from the server. Nothing is restored or changed.

Exit codes: 23 if not all that was packed can be restored, 32 if a database
cannot be restored to TIME. The runbook is written then too, and says so on top.

",
    secrets!()
);

pub(super) const EXPLAIN: &str = "\
Examples:
  bakpak explain BP121
  bakpak explain
  bakpak explain --json | jq -r '\"\\(.code) \\(.title)\"'";

/// Where the envelope's secrets come from.
macro_rules! envelope_secrets {
    () => {
        "\
Secrets come from the first of these places that has any:
  the options above
  the variables BAKPAK_ENVELOPE_PASSPHRASE_FILE, BAKPAK_ENVELOPE_KEY_FILE and,
    discouraged since other programs may see it, BAKPAK_ENVELOPE_PASSPHRASE
  $CREDENTIALS_DIRECTORY/bakpak.envelope-passphrase or bakpak.envelope-key-file
  the terminal
With --envelope-same-passphrase they are those of the archive itself:
BAKPAK_PASSPHRASE_FILE and so on, or the terminal."
    };
}

pub(super) const MASTER_KEY: &str = "\
Examples:
  bakpak master-key show server.bakpak --envelope-key-file safe.key
  bakpak master-key exec server.bakpak --envelope-key-file safe.key \\
      -- ./set-master-key.sh";

pub(super) const MASTER_KEY_SHOW: &str = concat!(
    "\
Examples:
  bakpak master-key show server.bakpak --envelope-key-file safe.key
  bakpak master-key show server.bakpak --item licence > licence.xml

The master key is printed with a line end, another secret as it was packed.

",
    envelope_secrets!()
);

pub(super) const MASTER_KEY_EXEC: &str = concat!(
    "\
Examples:
  bakpak master-key exec server.bakpak -- ./set-master-key.sh
  bakpak master-key exec server.bakpak -- \\
      sh -c 'printf %s \"$BAKPAK_MASTER_KEY\" | ssh standby ./set-master-key.sh'

The key goes to the command and not to the screen or the shell's history: it
is in its environment, which other users of the machine cannot see. Arguments
they can see, so hand it on by standard input where that is possible. The exit
code is the command's.

",
    envelope_secrets!()
);

pub(super) const KEY_GENERATE: &str = "\
Examples:
  bakpak key generate -o server.key
  bakpak pack -o server.bakpak --home /srv/octopus --key-file server.key

The key file is one line of text with a checksum: it can be printed, and typed
again. Without it nobody can open the archive, so keep a copy apart from it.";

pub(super) const KEY: &str = "\
Examples:
  bakpak key generate -o server.key
  bakpak key list server.bakpak
  bakpak key add server.bakpak --key-file server.key --new-key-file second.key

Key slots are changed in the archive itself, within seconds, whatever its size;
nothing else of it is touched. Stopped at any moment, it opens with the old keys
or the new ones, and the same command finishes it. Whoever reads the archive
meanwhile may be told that it is damaged: let nobody.";

pub(super) const KEY_LIST: &str = "\
Examples:
  bakpak key list server.bakpak
  bakpak key list server.bakpak --key-file old.key     which slot is old.key's?";

pub(super) const KEY_ADD: &str = "\
Examples:
  bakpak key add server.bakpak --key-file server.key --new-passphrase-file p
  bakpak key add server.bakpak --envelope --envelope-key-file safe.key \\
    --new-key-file second-safe.key

Without a new key given, a passphrase is asked for at the terminal.";

pub(super) const KEY_REMOVE: &str = "\
Examples:
  bakpak key list server.bakpak --key-file old.key
  bakpak key remove server.bakpak 5f0c92d1 --key-file server.key

A key that opens what stays has to be given. Copies of the file from before
still open with the old key, and whoever saved the archive's inner key can open
this file too. Only packing again shuts them out: if a key was stolen, do that.";

pub(super) const KEY_ROTATE: &str = "\
Examples:
  bakpak key rotate server.bakpak --key-file old.key --new-key-file new.key

All key slots are made anew, for the new keys, in one step. What they wrap, the
archive's inner key, stays: a new one means packing again. Copies of the file
from before still open with the old keys. The cover text is not changed: it
tells what opened the archive when it was packed.";

pub(super) const DEMO: &str = "\
Examples:
  bakpak demo
  bakpak demo --dir /tmp/bakpak-demo     keep everything, to look at

Makes backups, a home directory and a master key; packs, lists, verifies with
and without the key; damages a copy and shows that this is noticed, and where;
unpacks and compares byte for byte. Each command is shown as one would type it.";

#[cfg(test)]
mod tests {
    use crate::args::Arguments;
    use clap::{Command, CommandFactory};

    fn check(command: &mut Command) {
        let help = command.render_long_help().to_string();
        assert!(help.contains("Examples:"), "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        command.get_subcommands_mut().for_each(check);
    }

    #[test]
    fn every_help_has_examples_and_fits_a_terminal() {
        let mut command = Arguments::command();
        command.build();
        check(&mut command);
    }
}
