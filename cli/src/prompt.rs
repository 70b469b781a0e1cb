//! Secrets: where they are taken from, in which order, and the terminal.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use bakpak_codec::keyring::{Keyring, OpenedKey, SlotKind};
use bakpak_codec::secret::{Credential, KeyFile, Passphrase};
use bakpak_format::slots::Domain;
use zeroize::Zeroizing;

use self::terminal::{ask, ask_twice};
use crate::args::KeyOptions;
use crate::exit::{Exit, Failure};
use crate::output::{Output, quoted, talk};

pub(crate) mod terminal;

/// A passphrase or key file longer than this is another file, named by mistake.
const MAX_SECRET_LEN: u64 = 64 * 1024;

/// How often somebody is asked for a passphrase before it is taken not to be known.
const TRIES: usize = 3;

/// Where secrets can come from apart from the options.
pub(crate) struct Surroundings<'a> {
    /// The environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether somebody can be asked.
    pub(crate) has_terminal: bool,
}

/// Offers the secrets at hand when an archive is opened, and asks for one if there is none.
pub(crate) struct Keys {
    domain: Domain,
    credentials: Vec<Credential>,
    asks: bool,
    /// How often somebody may be asked again.
    tries_left: usize,
    /// What has opened the archive at hand: verbs that open it twice derive it once.
    opened: Option<OpenedKey>,
}

/// The names that belong to a domain.
struct Names {
    options: &'static str,
    passphrase_file: &'static str,
    key_file: &'static str,
    passphrase: &'static str,
    systemd_passphrase: &'static str,
    systemd_key_file: &'static str,
    thing: &'static str,
}

const DATA: Names = Names {
    options: "--passphrase-file F, --passphrase-fd N or --key-file F",
    passphrase_file: "BAKPAK_PASSPHRASE_FILE",
    key_file: "BAKPAK_KEY_FILE",
    passphrase: "BAKPAK_PASSPHRASE",
    systemd_passphrase: "bakpak.passphrase",
    systemd_key_file: "bakpak.key-file",
    thing: "archive",
};

const ENVELOPE: Names = Names {
    options: "--envelope-passphrase-file F, --envelope-passphrase-fd N or --envelope-key-file F",
    passphrase_file: "BAKPAK_ENVELOPE_PASSPHRASE_FILE",
    key_file: "BAKPAK_ENVELOPE_KEY_FILE",
    passphrase: "BAKPAK_ENVELOPE_PASSPHRASE",
    systemd_passphrase: "bakpak.envelope-passphrase",
    systemd_key_file: "bakpak.envelope-key-file",
    thing: "master-key envelope",
};

/// Where systemd puts a unit's secrets.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// All variables that may hold or name a secret: a child does not inherit them.
pub(crate) const VARIABLES: [&str; 7] = [
    DATA.passphrase_file,
    DATA.key_file,
    DATA.passphrase,
    ENVELOPE.passphrase_file,
    ENVELOPE.key_file,
    ENVELOPE.passphrase,
    CREDENTIALS_DIRECTORY,
];

impl Surroundings<'static> {
    /// This process's own.
    pub(crate) fn of_process() -> Self {
        Self {
            variable: &|name| std::env::var_os(name),
            // Without either, nobody would see the question, even if there is a /dev/tty.
            has_terminal: io::stdin().is_terminal() || io::stderr().is_terminal(),
        }
    }
}

impl Keys {
    /// What this process is offered for the data of an archive.
    ///
    /// # Errors
    ///
    /// As [`Keys::gather`].
    pub(crate) fn of_data(options: &KeyOptions, output: &Output) -> anyhow::Result<Self> {
        Self::gather(options, Domain::Data, &Surroundings::of_process(), output)
    }

    /// Gathers what the options, the environment or systemd offer for opening; if that is
    /// nothing, the terminal is asked once the archive's head is read.
    ///
    /// # Errors
    ///
    /// A secret cannot be read, or there is none and nobody to ask (13).
    pub(crate) fn gather(
        options: &KeyOptions,
        domain: Domain,
        surroundings: &Surroundings<'_>,
        output: &Output,
    ) -> anyhow::Result<Self> {
        let credentials = offered(options, domain, surroundings, output)?;
        if credentials.is_empty() && !surroundings.has_terminal {
            return Err(nobody_to_ask(domain).into());
        }
        Ok(Self {
            domain,
            asks: credentials.is_empty(),
            credentials,
            tries_left: 0,
            opened: None,
        })
    }

    /// The same, but nobody is asked; `None` if nothing is offered.
    ///
    /// # Errors
    ///
    /// A secret cannot be read.
    pub(crate) fn gather_silently(
        options: &KeyOptions,
        domain: Domain,
        surroundings: &Surroundings<'_>,
        output: &Output,
    ) -> anyhow::Result<Option<Self>> {
        let credentials = offered(options, domain, surroundings, output)?;
        let keys = Self {
            domain,
            credentials,
            asks: false,
            tries_left: 0,
            opened: None,
        };
        Ok((!keys.credentials.is_empty()).then_some(keys))
    }
}

impl Keys {
    /// Asks for the one passphrase that is offered then.
    fn ask(&mut self) -> io::Result<()> {
        let typed = ask(&format!("Passphrase of the {}: ", names(self.domain).thing))?;
        self.credentials = vec![Credential::Passphrase(typed)];
        Ok(())
    }
}

impl Keyring for Keys {
    fn credentials(&mut self, _: Domain, kinds: &[SlotKind]) -> io::Result<Vec<Credential>> {
        // With --envelope-same-passphrase the envelope is opened with what is the archive's own, so
        // it is not the domain in question that says what to ask for.
        if self.asks && kinds.contains(&SlotKind::Passphrase) {
            self.ask()?;
            self.asks = false;
            self.tries_left = TRIES - 1;
        }
        Ok(self.credentials.clone())
    }

    fn further(&mut self, _: Domain, _: &[SlotKind]) -> io::Result<Vec<Credential>> {
        // Files say the same each time; only somebody who types may have slipped.
        if self.tries_left == 0 {
            return Ok(Vec::new());
        }
        self.tries_left -= 1;
        let thing = names(self.domain).thing;
        talk(&format!(
            "bakpak: this does not open the {thing}; try again\n"
        ));
        self.ask()?;
        Ok(self.credentials.clone())
    }

    fn keep(&mut self, key: OpenedKey) {
        self.opened = Some(key);
    }

    fn kept(&self) -> Option<OpenedKey> {
        self.opened.clone()
    }
}

/// The one key for packing.
///
/// # Errors
///
/// Several are given, one cannot be read, or there is none and nobody to ask (13).
pub(crate) fn key_for_packing(
    options: &KeyOptions,
    domain: Domain,
    surroundings: &Surroundings<'_>,
    output: &Output,
) -> anyhow::Result<Credential> {
    let given = options.len();
    if given > 1 {
        let thing = names(domain).thing;
        return Err(
            Failure::usage(format!("{given} keys are given for the {thing}"))
                .hint("one key is given when packing, several may be offered when opening")
                .into(),
        );
    }
    match offered(options, domain, surroundings, output)?
        .into_iter()
        .next()
    {
        Some(key) => Ok(key),
        None if surroundings.has_terminal => {
            Ok(Credential::Passphrase(ask_twice(names(domain).thing)?))
        }
        None => Err(nobody_to_ask(domain).into()),
    }
}

/// The keys for which slots are made: those given, or a passphrase that is asked for.
///
/// The environment is not looked at: what it offers is what opens the archive as it is.
///
/// # Errors
///
/// One cannot be read, or none is given and nobody there to ask (13).
pub(crate) fn new_keys(
    options: &KeyOptions,
    domain: Domain,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<Vec<Credential>> {
    let given = given(options)?;
    if !given.is_empty() {
        return Ok(given);
    }
    if surroundings.has_terminal {
        let passphrase = ask_twice(names(domain).thing)?;
        return Ok(vec![Credential::Passphrase(passphrase)]);
    }
    let text = "no new key is given, and there is no terminal to ask at";
    Err(Failure::new(Exit::NO_KEY_OFFERED, text)
        .hint("give --new-passphrase-file F, --new-passphrase-fd N or --new-key-file F")
        .into())
}

/// Whether there is a place from which a key could come; nothing is read.
pub(crate) fn can_offer(
    options: &KeyOptions,
    domain: Domain,
    surroundings: &Surroundings<'_>,
) -> bool {
    let names = names(domain);
    let is_set = |name| (surroundings.variable)(name).is_some_and(|value| !value.is_empty());
    let variables = [names.passphrase_file, names.key_file, names.passphrase];
    let systemd = (surroundings.variable)(CREDENTIALS_DIRECTORY).map(PathBuf::from);
    let in_systemd = systemd.is_some_and(|directory| {
        let files = [names.systemd_passphrase, names.systemd_key_file];
        files.iter().any(|name| directory.join(name).exists())
    });
    surroundings.has_terminal
        || !options.is_empty()
        || variables.into_iter().any(is_set)
        || in_systemd
}

/// Whether standard input is where a passphrase is read from.
pub(crate) fn uses_stdin(options: &KeyOptions) -> bool {
    options.passphrase_fd.contains(&0)
}

/// Reads a file of a secret, without leaving copies of it in memory.
///
/// # Errors
///
/// It cannot be read, or is longer than any secret.
pub(crate) fn read_secret(path: &Path, max_len: u64) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let read = || {
        let file = File::open(path)?;
        // The room is taken at once: a vector that grows would leave its old copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(max_len as usize + 1));
        file.take(max_len + 1).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = read().map_err(|error| {
        Failure::usage(format!(
            "cannot read the secret in {}: {error}",
            quoted(path)
        ))
    })?;
    if bytes.len() as u64 > max_len {
        let path = quoted(path);
        return Err(Failure::usage(format!("{path} is longer than {max_len} bytes")).into());
    }
    Ok(bytes)
}

/// What the first place offers that offers anything: options, environment, systemd. Nobody is asked.
///
/// # Errors
///
/// A secret cannot be read.
pub(crate) fn offered(
    options: &KeyOptions,
    domain: Domain,
    surroundings: &Surroundings<'_>,
    output: &Output,
) -> anyhow::Result<Vec<Credential>> {
    let names = names(domain);
    let mut offered = given(options)?;
    if !offered.is_empty() {
        return Ok(offered);
    }

    let variable = |name| (surroundings.variable)(name).filter(|value| !value.is_empty());
    if let Some(path) = variable(names.passphrase_file) {
        offered.push(passphrase_from(Path::new(&path))?);
    }
    if let Some(path) = variable(names.key_file) {
        offered.push(key_file_from(Path::new(&path))?);
    }
    if let Some(value) = variable(names.passphrase) {
        let (name, better) = (names.passphrase, names.passphrase_file);
        let text = format!("{name} is used, which other programs may see; {better} is better");
        output.warn(None, None, &text);
        offered.push(Credential::Passphrase(Passphrase::new(
            value.into_encoded_bytes(),
        )));
    }
    if !offered.is_empty() {
        return Ok(offered);
    }

    if let Some(directory) = variable("CREDENTIALS_DIRECTORY").map(PathBuf::from) {
        let passphrase = directory.join(names.systemd_passphrase);
        if passphrase.exists() {
            offered.push(passphrase_from(&passphrase)?);
        }
        let key_file = directory.join(names.systemd_key_file);
        if key_file.exists() {
            offered.push(key_file_from(&key_file)?);
        }
    }
    Ok(offered)
}

/// What the options name.
fn given(options: &KeyOptions) -> anyhow::Result<Vec<Credential>> {
    let mut given = Vec::new();
    for number in &options.passphrase_fd {
        given.push(passphrase_from(&descriptor_path(*number)?)?);
    }
    for path in &options.passphrase_file {
        given.push(passphrase_from(path)?);
    }
    for path in &options.key_file {
        given.push(key_file_from(path)?);
    }
    Ok(given)
}

fn names(domain: Domain) -> &'static Names {
    match domain {
        Domain::Data => &DATA,
        Domain::Envelope => &ENVELOPE,
    }
}

fn nobody_to_ask(domain: Domain) -> Failure {
    let names = names(domain);
    Failure::new(
        Exit::NO_KEY_OFFERED,
        format!(
            "no key is given for the {}, and there is no terminal to ask at",
            names.thing
        ),
    )
    .hint(format!("give {}", names.options))
    .hint(format!(
        "or set {} or {}",
        names.passphrase_file, names.key_file
    ))
}

fn passphrase_from(path: &Path) -> anyhow::Result<Credential> {
    let mut content = read_secret(path, MAX_SECRET_LEN)?;
    // Taken as a passphrase it would pack without a word, and then not open as a key file.
    if KeyFile::parse(&content).is_ok() {
        let text = format!("{} is a key file, not a passphrase", quoted(path));
        return Err(Failure::usage(text)
            .hint("the options and variables for key files have `key-file` in their name")
            .into());
    }
    let passphrase = Passphrase::from_file_content(std::mem::take(&mut *content));
    if passphrase.is_empty() {
        return Err(Failure::usage(format!("the passphrase in {} is empty", quoted(path))).into());
    }
    Ok(Credential::Passphrase(passphrase))
}

fn key_file_from(path: &Path) -> anyhow::Result<Credential> {
    let content = read_secret(path, MAX_SECRET_LEN)?;
    let key = KeyFile::parse(&content)
        .map_err(|error| Failure::usage(format!("{}: {error}", quoted(path))))?;
    Ok(Credential::KeyFile(key))
}

/// The path of an open file descriptor. Taking the number itself would be unsafe code.
fn descriptor_path(number: u32) -> Result<PathBuf, Failure> {
    match cfg!(unix) {
        true => Ok(PathBuf::from(format!("/dev/fd/{number}"))),
        false => Err(Failure::usage(
            "this system has no numbered file descriptors",
        )),
    }
}

#[cfg(test)]
mod tests;
