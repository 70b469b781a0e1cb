//! The contestants and their commands.
//!
//! Commands are programs with arguments, joined by ` | `; nothing is quoted, no shell sees them. In
//! them `{sources}` stands for the folders to pack, `{flags}` for the same as bakpak wants them,
//! `{one}` for the one file. They run in the work folder, which also is the home directory.

use super::verb::Verb;
use crate::debian::Package;

/// The passphrase of those that want one; it is in no way secret.
pub const PASSPHRASE: &str = "correct-horse-battery-staple";

/// How a program comes onto the machine.
#[derive(Debug)]
pub enum Program {
    /// As a Debian package.
    Debian(Package),
    /// Built by cargo, in this version.
    Cargo {
        /// The crate's name.
        crate_name: &'static str,
        /// Its version.
        version: &'static str,
        /// Further arguments of `cargo install`.
        arguments: &'static str,
        /// The program.
        program: &'static str,
        /// What it needs to be built.
        needs: &'static [&'static str],
    },
}

/// Somebody who packs, lists and unpacks.
#[derive(Debug)]
pub struct Contestant {
    /// Its name on the command line and in tables.
    pub name: &'static str,
    /// What it needs.
    pub programs: &'static [&'static Program],
    /// What prints its versions.
    pub versions: &'static [&'static str],
    /// Makes its keys, once.
    pub keys: &'static [&'static str],
    /// Makes an empty repository, before each pack; not measured.
    pub fresh: &'static [&'static str],
    /// The file or folder that it makes.
    pub archive: &'static str,
    /// Ends what it leaves running, when all is measured.
    pub end: Option<&'static str>,
    commands: Commands,
}

#[derive(Debug)]
struct Commands {
    pack: &'static str,
    verify: Option<&'static str>,
    keyless: Option<&'static str>,
    list: &'static str,
    one: &'static str,
    unpack: &'static str,
}

impl Contestant {
    /// The contestant of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        CONTESTANTS
            .iter()
            .find(|contestant| contestant.name == name)
    }

    /// Its command for a verb, if it has one.
    #[must_use]
    pub fn command(&self, verb: Verb) -> Option<&'static str> {
        match verb {
            Verb::Pack => Some(self.commands.pack),
            Verb::Verify => self.commands.verify,
            Verb::Keyless => self.commands.keyless,
            Verb::List => Some(self.commands.list),
            Verb::One => Some(self.commands.one),
            Verb::Unpack => Some(self.commands.unpack),
        }
    }
}

/// `tar | zstd | something that seals`, and the way back.
macro_rules! pipeline {
    (name: $name:literal, programs: $programs:expr, versions: $version:literal, keys: $keys:expr,
     archive: $archive:literal, end: $end:expr, zstd: $zstd:literal, seal: $seal:literal,
     open: $open:literal) => {
        Contestant {
            name: $name,
            programs: $programs,
            versions: &["tar --version", "zstd --version", $version],
            keys: $keys,
            fresh: &[],
            archive: $archive,
            end: $end,
            commands: Commands {
                pack: concat!("tar -c {sources} | zstd ", $zstd, " -T0 -3 | ", $seal),
                verify: Some(concat!($open, " | zstd ", $zstd, " -t")),
                keyless: None,
                list: concat!($open, " | zstd ", $zstd, " -d | tar -t"),
                one: concat!($open, " | zstd ", $zstd, " -d | tar -x -O {one}"),
                unpack: concat!($open, " | zstd ", $zstd, " -d | tar -x -C out"),
            },
        }
    };
}

/// The one that all others are here for.
pub const BAKPAK: &str = "bakpak";

/// All contestants, in the order of the tables.
pub const CONTESTANTS: [Contestant; 11] = [
    Contestant {
        name: BAKPAK,
        programs: &[],
        versions: &["bakpak --version"],
        keys: &["bakpak key generate -o bakpak.key"],
        fresh: &[],
        archive: "a.bakpak",
        end: None,
        commands: Commands {
            pack: "bakpak pack -o a.bakpak {flags} --key-file bakpak.key --quiet",
            verify: Some("bakpak verify a.bakpak --key-file bakpak.key"),
            keyless: Some("bakpak verify --keyless a.bakpak"),
            list: "bakpak list a.bakpak --key-file bakpak.key",
            one: "bakpak cat a.bakpak {one} --key-file bakpak.key",
            unpack: "bakpak unpack a.bakpak --to out --key-file bakpak.key",
        },
    },
    pipeline! {
        name: "tar-zstd-age", programs: &[&ZSTD, &AGE], versions: "age --version",
        keys: &["age-keygen -o age.key"], archive: "a.tar.zst.age", end: None,
        zstd: "-q", seal: "age -e -i age.key -o a.tar.zst.age",
        open: "age -d -i age.key a.tar.zst.age"
    },
    pipeline! {
        name: "tar-zstd-long-age", programs: &[&ZSTD, &AGE], versions: "age --version",
        keys: &["age-keygen -o age.key"], archive: "a.tar.zst.age", end: None,
        zstd: "-q --long=27", seal: "age -e -i age.key -o a.tar.zst.age",
        open: "age -d -i age.key a.tar.zst.age"
    },
    pipeline! {
        name: "tar-zstd-openssl", programs: &[&ZSTD, &OPENSSL], versions: "openssl version",
        keys: &[], archive: "a.tar.zst.enc", end: None,
        zstd: "-q",
        seal: "openssl enc -aes-256-ctr -pbkdf2 -pass file:passphrase -out a.tar.zst.enc",
        open: "openssl enc -d -aes-256-ctr -pbkdf2 -pass file:passphrase -in a.tar.zst.enc"
    },
    pipeline! {
        name: "tar-zstd-gpg", programs: &[&ZSTD, &GPG], versions: "gpg --version",
        keys: &["mkdir -p -m 700 .gnupg"], archive: "a.tar.zst.gpg",
        end: Some("gpgconf --kill gpg-agent"),
        zstd: "-q",
        seal: "gpg --batch -q --pinentry-mode loopback --passphrase-file passphrase \
               --compress-algo none -o a.tar.zst.gpg -c",
        open: "gpg --batch -q --pinentry-mode loopback --passphrase-file passphrase \
               -d a.tar.zst.gpg"
    },
    Contestant {
        name: "restic",
        programs: &[&RESTIC],
        versions: &["restic version"],
        keys: &[],
        fresh: &[
            "rm -rf .cache/restic",
            "restic -q -r repo -p passphrase init",
        ],
        archive: "repo",
        end: None,
        commands: Commands {
            pack: "restic -q -r repo -p passphrase backup --compression auto {sources}",
            verify: Some("restic -q -r repo -p passphrase check --read-data"),
            keyless: None,
            list: "restic -q -r repo -p passphrase ls latest",
            one: "restic -q -r repo -p passphrase dump latest {one}",
            unpack: "restic -q -r repo -p passphrase restore latest --target out",
        },
    },
    Contestant {
        name: "rustic",
        programs: &[&RUSTIC],
        versions: &["rustic --version"],
        keys: &[],
        fresh: &[
            "rm -rf .cache/rustic",
            "rustic -r repo --password-file passphrase --no-progress --log-level warn init",
        ],
        archive: "repo",
        end: None,
        commands: Commands {
            pack: "rustic -r repo --password-file passphrase --no-progress --log-level warn backup {sources}",
            verify: Some(
                "rustic -r repo --password-file passphrase --no-progress --log-level warn check --read-data",
            ),
            keyless: None,
            list: "rustic -r repo --password-file passphrase --no-progress --log-level warn ls --recursive latest",
            one: "rustic -r repo --password-file passphrase --no-progress --log-level warn dump latest:{one}",
            unpack: "rustic -r repo --password-file passphrase --no-progress --log-level warn restore latest out",
        },
    },
    Contestant {
        name: "borg",
        programs: &[&BORG],
        versions: &["borg --version"],
        keys: &[],
        fresh: &[
            "rm -rf .cache/borg .config/borg",
            "borg init -e repokey-blake2 repo",
        ],
        archive: "repo",
        end: None,
        commands: Commands {
            pack: "borg create --compression zstd,3 repo::a {sources}",
            verify: Some("borg check --verify-data repo"),
            keyless: Some("borg check --repository-only repo"),
            list: "borg list repo::a",
            one: "borg extract --stdout repo::a {one}",
            unpack: "env -C out borg extract ../repo::a",
        },
    },
    Contestant {
        name: "bupstash",
        programs: &[&BUPSTASH],
        versions: &["bupstash version"],
        keys: &["bupstash new-key -o bupstash.key"],
        fresh: &["rm -rf .cache/bupstash", "bupstash init -r repo"],
        archive: "repo",
        end: None,
        commands: Commands {
            pack: "bupstash put -q -k bupstash.key -r repo name=a :: {sources}",
            // It has no such verb; reading everything back opens and checks all of it.
            verify: Some("bupstash get -q -k bupstash.key -r repo name=a"),
            keyless: None,
            list: "bupstash list-contents -q -k bupstash.key -r repo name=a",
            one: "bupstash get -q -k bupstash.key -r repo --pick {one} name=a",
            unpack: "bupstash restore -q -k bupstash.key -r repo --into out name=a",
        },
    },
    Contestant {
        name: "7z-fast",
        programs: &[&SEVEN_ZIP],
        versions: &["7zz i"],
        keys: &[],
        fresh: &[],
        archive: "a.7z",
        end: None,
        commands: Commands {
            pack: "7zz a -bso0 -bsp0 -pcorrect-horse-battery-staple -mhe=on -mx=1 a.7z {sources}",
            ..SEVEN_ZIP_COMMANDS
        },
    },
    Contestant {
        name: "7z",
        programs: &[&SEVEN_ZIP],
        versions: &["7zz i"],
        keys: &[],
        fresh: &[],
        archive: "a.7z",
        end: None,
        commands: SEVEN_ZIP_COMMANDS,
    },
];

const SEVEN_ZIP_COMMANDS: Commands = Commands {
    pack: "7zz a -bso0 -bsp0 -pcorrect-horse-battery-staple -mhe=on a.7z {sources}",
    verify: Some("7zz t -bso0 -bsp0 -pcorrect-horse-battery-staple a.7z"),
    keyless: None,
    list: "7zz l -ba -pcorrect-horse-battery-staple a.7z",
    one: "7zz x -so -pcorrect-horse-battery-staple a.7z {one}",
    unpack: "7zz x -bso0 -bsp0 -pcorrect-horse-battery-staple -oout a.7z",
};

const RIVALS: &str = "the comparison with rivals";

const ZSTD: Program = debian("zstd", "zstd");
const AGE: Program = debian("age", "age");
const OPENSSL: Program = debian("openssl", "openssl");
const GPG: Program = debian("gpg", "gpg");
const RESTIC: Program = debian("restic", "restic");
const BORG: Program = debian("borgbackup", "borg");
const SEVEN_ZIP: Program = debian("7zip", "7zz");

const RUSTIC: Program = Program::Cargo {
    crate_name: "rustic-rs",
    version: "0.11.4",
    // The default features are a text interface, a WebDAV server and the like.
    arguments: "--no-default-features",
    program: "rustic",
    needs: &[],
};

const BUPSTASH: Program = Program::Cargo {
    crate_name: "bupstash",
    version: "0.12.0",
    arguments: "",
    program: "bupstash",
    needs: &["libsodium-dev", "pkg-config"],
};

const fn debian(package: &'static str, program: &'static str) -> Program {
    Program::Debian(Package {
        debian: package,
        program,
        serves: RIVALS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_once() {
        for (index, contestant) in CONTESTANTS.iter().enumerate() {
            let before = &CONTESTANTS[..index];
            assert!(!before.iter().any(|other| other.name == contestant.name));
        }
    }

    #[test]
    fn who_packs_takes_the_sources_and_who_reads_takes_the_one_file() {
        for contestant in &CONTESTANTS {
            let pack = contestant.command(Verb::Pack).expect("all can pack");
            assert!(
                pack.contains("{sources}") || pack.contains("{flags}"),
                "{pack}"
            );
            let one = contestant.command(Verb::One).expect("all can read one");
            assert!(one.contains("{one}"), "{one}");
        }
    }

    #[test]
    fn the_passphrase_of_7z_is_the_one_of_the_others() {
        let option = format!("-p{PASSPHRASE}");
        for verb in Verb::ALL {
            for name in ["7z", "7z-fast"] {
                let contestant = Contestant::of(name).expect("it takes part");
                let command = contestant.command(verb);
                assert!(command.is_none_or(|command| command.contains(&option)));
            }
        }
    }
}
