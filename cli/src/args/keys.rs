//! The options that name secrets, the same for all verbs that open or make slots.

use std::path::PathBuf;

use clap::{Args, ValueHint};

const ENVELOPE_KEYS: &str = "Keys of the master-key envelope";
const NEW_KEYS: &str = "New keys";

/// Secrets of the data: no secret is ever taken from the command line itself.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct KeyOptions {
    /// Read the passphrase from F; one line end at its end is not part of it
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath, help_heading = "Keys")]
    pub(crate) passphrase_file: Vec<PathBuf>,
    /// Read the passphrase from the open file descriptor N
    #[arg(long, value_name = "N", help_heading = "Keys")]
    pub(crate) passphrase_fd: Vec<u32>,
    /// Use the key file F (`bakpak key generate`)
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath, help_heading = "Keys")]
    pub(crate) key_file: Vec<PathBuf>,
}

/// Secrets of the envelope.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EnvelopeOpeningOptions {
    /// Read the envelope's passphrase from F
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath, help_heading = ENVELOPE_KEYS)]
    pub(crate) envelope_passphrase_file: Vec<PathBuf>,
    /// Read the envelope's passphrase from the open file descriptor N
    #[arg(long, value_name = "N", help_heading = ENVELOPE_KEYS)]
    pub(crate) envelope_passphrase_fd: Vec<u32>,
    /// Use the key file F for the envelope
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath, help_heading = ENVELOPE_KEYS)]
    pub(crate) envelope_key_file: Vec<PathBuf>,
}

/// Secrets of the envelope, or that it has none of its own.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EnvelopeKeyOptions {
    #[command(flatten)]
    pub(crate) own: EnvelopeOpeningOptions,
    /// The envelope has the archive's own key: whoever opens the data also gets the master key
    #[arg(long, help_heading = ENVELOPE_KEYS, conflicts_with_all =
        ["envelope_passphrase_file", "envelope_passphrase_fd", "envelope_key_file"])]
    pub(crate) envelope_same_passphrase: bool,
}

impl KeyOptions {
    /// How many keys are given.
    pub(crate) fn len(&self) -> usize {
        self.passphrase_file.len() + self.passphrase_fd.len() + self.key_file.len()
    }

    /// Whether no key is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Secrets for which a slot is made.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NewKeyOptions {
    /// Read the new passphrase from F; one line end at its end is not part of it
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath, help_heading = NEW_KEYS)]
    pub(crate) new_passphrase_file: Vec<PathBuf>,
    /// Read the new passphrase from the open file descriptor N
    #[arg(long, value_name = "N", help_heading = NEW_KEYS)]
    pub(crate) new_passphrase_fd: Vec<u32>,
    /// The new key is the key file F (`bakpak key generate`)
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath, help_heading = NEW_KEYS)]
    pub(crate) new_key_file: Vec<PathBuf>,
}

impl From<NewKeyOptions> for KeyOptions {
    fn from(options: NewKeyOptions) -> Self {
        Self {
            passphrase_file: options.new_passphrase_file,
            passphrase_fd: options.new_passphrase_fd,
            key_file: options.new_key_file,
        }
    }
}

impl From<EnvelopeKeyOptions> for KeyOptions {
    fn from(options: EnvelopeKeyOptions) -> Self {
        options.own.into()
    }
}

impl From<EnvelopeOpeningOptions> for KeyOptions {
    fn from(options: EnvelopeOpeningOptions) -> Self {
        Self {
            passphrase_file: options.envelope_passphrase_file,
            passphrase_fd: options.envelope_passphrase_fd,
            key_file: options.envelope_key_file,
        }
    }
}
