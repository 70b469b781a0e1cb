//! What can be typed: verbs, flags and their help.

use std::ffi::OsString;
use std::path::PathBuf;

use bakpak_format::geometry::{BlockSize, ParityGeometry};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use self::key::{
    KeyAddArguments, KeyArguments, KeyGenerateArguments, KeyListArguments, KeyRemoveArguments,
    KeyRotateArguments, KeyVerb, OpeningOptions,
};
pub(crate) use self::keys::{EnvelopeKeyOptions, KeyOptions};
use self::matching::MatchingOptions;
pub(crate) use self::restore::{ExplainArguments, PlanArguments, ScriptOptions, Target};
pub(crate) use self::runbook::{RESTORE_LINUX, RESTORE_WINDOWS, RunbookArguments, RunbookTarget};
pub(crate) use self::time::TypedTime;

mod help;
mod key;
mod keys;
mod matching;
mod restore;
mod runbook;
#[cfg(test)]
mod tests;
mod time;

const SOURCES: &str = "What to pack";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "bakpak",
    version,
    about = "One encrypted, self-checking file that carries a server through a disaster",
    after_help = help::PROGRAM,
    max_term_width = 80,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one in the whole process"
)]
pub(crate) enum Verb {
    /// Pack backups, a home directory, attachments and a master key into one archive
    #[command(after_help = help::PACK, override_usage = help::PACK_USAGE)]
    Pack(PackArguments),
    /// Prove that an archive is whole, with or without a key
    #[command(after_help = help::VERIFY)]
    Verify(VerifyArguments),
    /// Unpack an archive into a directory that appears only when all of it is proved whole
    #[command(after_help = help::UNPACK)]
    Unpack(UnpackArguments),
    /// List the entries of an archive
    #[command(after_help = help::LIST)]
    List(ListArguments),
    /// Mend a damaged archive from its parity and its copies; needs no key
    #[command(after_help = help::REPAIR)]
    Repair(RepairArguments),
    /// Take out of a damaged archive what is whole, and name what is not
    #[command(after_help = help::SALVAGE)]
    Salvage(SalvageArguments),
    /// Write one file of an archive, or all of it as a tar, to standard output
    #[command(after_help = help::CAT)]
    Cat(CatArguments),
    /// Show what backups hold and whether they are damaged; and what archives are and hold
    #[command(after_help = help::INSPECT)]
    Inspect(InspectArguments),
    /// Say how a database is restored to a moment: which backups, in which order
    #[command(after_help = help::PLAN)]
    Plan(PlanArguments),
    /// Write the procedure that restores what an archive holds, step by step
    #[command(after_help = help::RUNBOOK)]
    Runbook(RunbookArguments),
    /// Tell what a rule such as BP121 means and what to do, or list all rules
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArguments),
    /// Take the application's master key out of its envelope
    #[command(after_help = help::MASTER_KEY)]
    MasterKey(MasterKeyArguments),
    /// Make key files, and change in place who can open an archive
    #[command(after_help = help::KEY)]
    Key(KeyArguments),
    /// Show the main job on a small made-up server, from packing to the proof of the restore
    #[command(after_help = help::DEMO)]
    Demo(DemoArguments),
}

/// `bakpak pack`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("sources").multiple(true).required(true))]
pub(crate) struct PackArguments {
    /// Write the archive to OUT, which appears only when complete; `-` is standard output
    #[arg(short, long, value_name = "OUT|-", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,

    /// Pack a SQL Server backup as `sql/NAME`, or what is in a directory of them below `sql/`
    #[arg(long, value_name = "PATH", group = "sources", help_heading = SOURCES)]
    pub(crate) sql: Vec<PathBuf>,
    /// Pack the application's home directory as `home`; with NAME as `home/NAME`
    #[arg(long, value_name = "[NAME=]DIR", group = "sources", help_heading = SOURCES)]
    pub(crate) home: Vec<OsString>,
    /// Pack a file or directory as `attachments/...`
    #[arg(long, value_name = "PATH", group = "sources", help_heading = SOURCES)]
    pub(crate) attach: Vec<PathBuf>,
    /// Pack standard input under NAME; without `sql/`, `home/` or `attachments/` in front it is
    /// `attachments/NAME`
    #[arg(long, value_name = "NAME", group = "sources", help_heading = SOURCES)]
    pub(crate) stdin_entry: Option<OsString>,
    /// Seal the application's master key, the base64 text in F, in the envelope
    #[arg(long, value_name = "F", group = "sources", help_heading = SOURCES,
          value_hint = ValueHint::FilePath)]
    pub(crate) master_key_file: Option<PathBuf>,
    /// Seal any other secret, the content of F, in the envelope under NAME
    #[arg(long, value_name = "NAME=F", group = "sources", help_heading = SOURCES)]
    pub(crate) secret: Vec<OsString>,
    /// Leave out what has a matching path in the archive, and all below it
    #[arg(long, value_name = "GLOB", help_heading = SOURCES)]
    pub(crate) exclude: Vec<String>,

    /// Compression level of zstd
    #[arg(long, value_name = "1..9", default_value_t = 3,
          value_parser = clap::value_parser!(i32).range(1..=9))]
    pub(crate) level: i32,
    /// Work on N threads [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Size of a sealed block: 4K, 64K, 1M or 4M [default: by the size of the archive]
    #[arg(long, value_name = "B", value_parser = block_size)]
    pub(crate) block_size: Option<BlockSize>,
    /// Parity, with which `repair` mends damage: none, 1.5, 3, 6 or 12 percent [default: 3]
    #[arg(long, value_name = "P", value_parser = parity)]
    pub(crate) parity: Option<ParityGeometry>,
    #[command(flatten)]
    pub(crate) matching: MatchingOptions,

    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) envelope_keys: EnvelopeKeyOptions,

    /// Whom to call: part of the cover text, which everyone can read without a key
    #[arg(long, value_name = "TEXT")]
    pub(crate) contact: Option<String>,
    /// Leave date, version and what the archive holds out of the cover text
    #[arg(long)]
    pub(crate) redact: bool,
    /// Pack the rest if a source cannot be read; the archive then says that it is incomplete
    #[arg(long)]
    pub(crate) allow_incomplete: bool,
    /// Replace OUT if it is already there, once the new archive is complete
    #[arg(long)]
    pub(crate) force: bool,
    /// Go on with what a run for the same OUT has left that was stopped; if there is nothing, or
    /// this one is stopped too, keep what is packed for the next
    #[arg(long)]
    pub(crate) resume: bool,
    /// Show no progress and no summary; warnings and errors are told
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) outcome: OutcomeOptions,
}

/// `bakpak verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The archive; `-` is standard input
    #[arg(value_name = "ARCHIVE|-", value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// Check without any secret: shows accidents, not attacks
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_fd", "key_file", "level"])]
    pub(crate) keyless: bool,
    /// How far to look: `blocks` stops at their authenticity, `full` also decodes
    /// every entry and compares it with the catalogue, and judges by what was learned
    /// when it was packed whether the backups can be restored; `media` checks the
    /// backups themselves again
    #[arg(long, value_enum, default_value_t = Depth::Full)]
    pub(crate) level: Depth,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) outcome: OutcomeOptions,
}

/// `bakpak repair`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target").required(true))]
pub(crate) struct RepairArguments {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// Write the mended archive to MENDED, which appears only when it is whole
    #[arg(short, long, value_name = "MENDED", group = "target", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Mend ARCHIVE itself; nothing is written unless all of it can be mended
    #[arg(long, group = "target")]
    pub(crate) in_place: bool,
    /// Replace MENDED if it is already there, once the mended archive is whole
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Show no progress and no summary; warnings and errors are told
    #[arg(long)]
    pub(crate) quiet: bool,
    /// One JSON object a line on standard output (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// `bakpak salvage`.
#[derive(Debug, Args)]
pub(crate) struct SalvageArguments {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// The directory to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) to: PathBuf,
    /// Leave out files that are not whole, instead of storing them below DIR/damaged
    #[arg(long)]
    pub(crate) drop_damaged: bool,
    /// Also restore devices, named pipes and setuid or setgid bits
    #[arg(long)]
    pub(crate) allow_special: bool,
    /// Show no progress and no summary; warnings and errors are told
    #[arg(long)]
    pub(crate) quiet: bool,
    /// One JSON object a line on standard output (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// `bakpak unpack`.
#[derive(Debug, Args)]
pub(crate) struct UnpackArguments {
    /// The archive; `-` is standard input
    #[arg(value_name = "ARCHIVE|-", value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// The directory to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) to: PathBuf,
    /// Unpack only what matches; a pattern that names a directory takes all below it
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// If DIR is not empty: move what is in the way into DIR/.bakpak-replaced-... first
    #[arg(long, conflicts_with = "merge")]
    pub(crate) replace: bool,
    /// If DIR is not empty: add only what is missing
    #[arg(long)]
    pub(crate) merge: bool,
    /// Also restore devices, named pipes and setuid or setgid bits
    #[arg(long)]
    pub(crate) allow_special: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) outcome: OutcomeOptions,
}

/// `bakpak list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// List only what matches; a pattern that names a directory takes all below it
    #[arg(value_name = "GLOB")]
    pub(crate) patterns: Vec<String>,
    /// Also type, mode, owner, size, time and links, like `ls -ln`
    #[arg(long)]
    pub(crate) long: bool,
    /// End each path with a zero byte and do not escape it, for `xargs -0`
    #[arg(short = '0', conflicts_with_all = ["long", "json"])]
    pub(crate) null: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    /// One JSON object a line (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// `bakpak cat`.
#[derive(Debug, Args)]
pub(crate) struct CatArguments {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// The path of the file inside the archive
    #[arg(required_unless_present = "tar", conflicts_with = "tar")]
    pub(crate) entry: Option<OsString>,
    /// Write all entries as a tar archive
    #[arg(long)]
    pub(crate) tar: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// `bakpak inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Archives, SQL Server backups, BACPACs, dumps of PostgreSQL, snapshots of Qdrant
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Read backups to their end and check all that can be checked; archives have `bakpak verify`
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) outcome: OutcomeOptions,
}

/// `bakpak master-key`.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct MasterKeyArguments {
    #[command(subcommand)]
    pub(crate) verb: MasterKeyVerb,
}

/// What to do with the master key.
#[derive(Debug, Subcommand)]
pub(crate) enum MasterKeyVerb {
    /// Print the master key
    #[command(after_help = help::MASTER_KEY_SHOW)]
    Show(EnvelopeItemArguments),
    /// Run a command with the master key in its environment variable BAKPAK_MASTER_KEY
    #[command(after_help = help::MASTER_KEY_EXEC)]
    Exec(MasterKeyExecArguments),
}

/// Which item of which envelope.
#[derive(Debug, Args)]
pub(crate) struct EnvelopeItemArguments {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// The secret that was packed under NAME, instead of the master key
    #[arg(long, value_name = "NAME")]
    pub(crate) item: Option<String>,
    #[command(flatten)]
    pub(crate) envelope_keys: EnvelopeKeyOptions,
}

/// `bakpak master-key exec`.
#[derive(Debug, Args)]
pub(crate) struct MasterKeyExecArguments {
    #[command(flatten)]
    pub(crate) item: EnvelopeItemArguments,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND",
          value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

/// `bakpak demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Work in DIR and keep everything there [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// How the outcome is told.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct OutcomeOptions {
    /// Exit with 3 instead of 0 if there were warnings
    #[arg(long, value_enum, value_name = "warning", hide_possible_values = true)]
    pub(crate) fail_on: Option<FailOn>,
    /// One JSON object a line on standard output (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// What makes a run that did its work fail nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    // A doc comment here would be part of the help.
    Warning,
}

/// How far `verify` looks with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Depth {
    // Doc comments here would be part of the help.
    Blocks,
    Full,
    Media,
}

/// Reads `64K`, `64KiB` or `65536`.
fn block_size(typed: &str) -> Result<BlockSize, String> {
    let sizes = [
        (BlockSize::FOUR_KIB, ["4K", "4KiB", "4096"]),
        (BlockSize::SIXTY_FOUR_KIB, ["64K", "64KiB", "65536"]),
        (BlockSize::ONE_MIB, ["1M", "1MiB", "1048576"]),
        (BlockSize::FOUR_MIB, ["4M", "4MiB", "4194304"]),
    ];
    let found = sizes
        .iter()
        .find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(typed)));
    found
        .map(|(size, _)| *size)
        .ok_or_else(|| "it must be 4K, 64K, 1M or 4M".to_owned())
}

/// Reads `none`, or percents that there are.
fn parity(typed: &str) -> Result<ParityGeometry, String> {
    ParityGeometry::all()
        .find(|parity| parity.name() == typed)
        .ok_or_else(|| "it must be none, 1.5, 3, 6 or 12".to_owned())
}
