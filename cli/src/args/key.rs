//! `bakpak key`: key files, and the key slots of an archive.

use std::path::PathBuf;

use bakpak_codec::inspect::SlotId;
use clap::{Args, Subcommand, ValueHint};

use super::help;
use super::keys::{EnvelopeOpeningOptions, KeyOptions, NewKeyOptions};

/// `bakpak key`.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct KeyArguments {
    #[command(subcommand)]
    pub(crate) verb: KeyVerb,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Write a new random key file, readable by its owner only
    #[command(after_help = help::KEY_GENERATE)]
    Generate(KeyGenerateArguments),
    /// Show what opens an archive; needs no key
    #[command(after_help = help::KEY_LIST)]
    List(KeyListArguments),
    /// Let another key open an archive, too
    #[command(after_help = help::KEY_ADD)]
    Add(KeyAddArguments),
    /// Let a key open an archive no more
    #[command(after_help = help::KEY_REMOVE)]
    Remove(KeyRemoveArguments),
    /// Let new keys, and no others, open an archive
    #[command(after_help = help::KEY_ROTATE)]
    Rotate(KeyRotateArguments),
}

impl KeyVerb {
    /// Whether JSON is asked for.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Generate(_) => false,
            Self::List(arguments) => arguments.json,
            Self::Add(arguments) => arguments.json,
            Self::Remove(arguments) => arguments.json,
            Self::Rotate(arguments) => arguments.json,
        }
    }
}

/// `bakpak key generate`.
#[derive(Debug, Args)]
pub(crate) struct KeyGenerateArguments {
    /// Where to write it; nothing is ever overwritten
    #[arg(short, long, value_name = "F", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// `bakpak key list`.
#[derive(Debug, Args)]
pub(crate) struct KeyListArguments {
    /// The archive; with keys it is told which slot each of them opens
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// One JSON object a line on standard output (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) opening: OpeningOptions,
}

/// `bakpak key add`.
#[derive(Debug, Args)]
pub(crate) struct KeyAddArguments {
    /// The archive, which is changed in place
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// Change the keys of the master-key envelope instead of those of the data
    #[arg(long)]
    pub(crate) envelope: bool,
    /// The new key may open data and envelope: who unpacks then also gets the master key
    #[arg(long)]
    pub(crate) allow_both: bool,
    /// One JSON object a line on standard output (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) new: NewKeyOptions,
    #[command(flatten)]
    pub(crate) opening: OpeningOptions,
}

/// `bakpak key remove`.
#[derive(Debug, Args)]
pub(crate) struct KeyRemoveArguments {
    /// The archive, which is changed in place
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// The key slots, as `key list` names them
    #[arg(value_name = "SLOT", required = true, value_parser = slot_id)]
    pub(crate) slots: Vec<SlotId>,
    /// Change the keys of the master-key envelope instead of those of the data
    #[arg(long)]
    pub(crate) envelope: bool,
    /// One JSON object a line on standard output (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) opening: OpeningOptions,
}

/// `bakpak key rotate`.
#[derive(Debug, Args)]
pub(crate) struct KeyRotateArguments {
    /// The archive, which is changed in place
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// Change the keys of the master-key envelope instead of those of the data
    #[arg(long)]
    pub(crate) envelope: bool,
    /// A new key may open data and envelope: who unpacks then also gets the master key
    #[arg(long)]
    pub(crate) allow_both: bool,
    /// One JSON object a line on standard output (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) new: NewKeyOptions,
    #[command(flatten)]
    pub(crate) opening: OpeningOptions,
}

/// What opens the archive as it is.
#[derive(Clone, Debug, Args)]
pub(crate) struct OpeningOptions {
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) envelope_keys: EnvelopeOpeningOptions,
}

fn slot_id(text: &str) -> Result<SlotId, String> {
    let is_digits = |text: &&str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = Some(text).filter(is_digits);
    id.and_then(|text| text.parse().ok())
        .ok_or_else(|| "a key slot has eight hexadecimal digits, see `bakpak key list`".to_owned())
}
