//! The cover text: what `head -c 2000` tells a stranger.

use bakpak_format::entry::Timestamp;
use bakpak_format::preamble::{MAX_COVER_LEN, VERSION};

use crate::exit::Failure;
use crate::output;

/// What the cover text may tell about an archive.
pub(super) struct Cover<'a> {
    pub(super) packed_at: Timestamp,
    /// Kinds of things in words: no host, database or path names.
    pub(super) holds: &'a [&'static str],
    pub(super) opened_by: &'static str,
    /// What opens the envelope, if there is one.
    pub(super) envelope_opened_by: Option<&'static str>,
    pub(super) contact: Option<&'a str>,
    /// Leave out date, version and what it holds.
    pub(super) redact: bool,
}

impl Cover<'_> {
    /// The text.
    ///
    /// # Errors
    ///
    /// The contact is too long, or has control characters.
    pub(super) fn text(&self) -> Result<String, Failure> {
        let mut text = String::from(
            "\
This file is an encrypted archive of a server: its backups, files and secrets.
It checks itself and cannot be read without the right key.

",
        );
        if !self.redact {
            let time = output::time(Timestamp {
                nanos: 0,
                ..self.packed_at
            });
            let program = env!("CARGO_PKG_VERSION");
            text.push_str(&format!("Packed:  {time} by bakpak {program}\n"));
            text.push_str(&format!("Holds:   {}\n", self.holds.join(", ")));
        }
        if let Some(contact) = self.contact {
            text.push_str(&format!("Contact: {contact}\n"));
        }
        let program = match self.redact {
            true => String::new(),
            false => format!(", {} or later", env!("CARGO_PKG_VERSION")),
        };
        text.push_str(&format!(
            "
To open it you need
  - the program bakpak{program} (any that reads format {VERSION}),
  - {}{}\n",
            self.opened_by,
            if self.envelope_opened_by.is_some() && !self.redact {
                ","
            } else {
                "."
            },
        ));
        if let Some(opened_by) = self.envelope_opened_by.filter(|_| !self.redact) {
            text.push_str(&format!(
                "  - and for the sealed master key, {opened_by}.\n"
            ));
        }
        text.push_str(
            "
Type
  bakpak inspect FILE                   what it is, what opens it; needs no key
  bakpak verify --keyless FILE          is the file whole? needs no key
  bakpak verify FILE                    can it be restored?
  bakpak list FILE                      what is in it
  bakpak unpack FILE --to DIRECTORY     take everything out
",
        );
        if self.envelope_opened_by.is_some() && !self.redact {
            text.push_str("  bakpak master-key show FILE           take the master key out\n");
        }
        self.check(&text)?;
        Ok(text)
    }

    fn check(&self, text: &str) -> Result<(), Failure> {
        let contact = self.contact.unwrap_or_default();
        if contact.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Failure::usage("--contact has control characters"));
        }
        if text.len() > MAX_COVER_LEN {
            let max = (MAX_COVER_LEN + contact.len()).saturating_sub(text.len());
            let len = contact.len();
            return Err(Failure::usage(format!(
                "--contact is {len} bytes long, {max} fit"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cover<'a>(contact: Option<&'a str>, redact: bool) -> Cover<'a> {
        Cover {
            packed_at: Timestamp {
                seconds: 1_700_000_000,
                nanos: 5,
            },
            holds: &[
                "SQL Server backups",
                "a home directory",
                "a sealed master key",
            ],
            opened_by: "its passphrase",
            envelope_opened_by: Some("the envelope's key file"),
            contact,
            redact,
        }
    }

    #[test]
    fn a_stranger_learns_what_it_is_and_what_to_do() {
        let text = cover(Some("on-call, +49 30 1234567"), false)
            .text()
            .unwrap();
        for words in [
            "encrypted archive",
            "2023-11-14T22:13:20Z",
            concat!("bakpak ", env!("CARGO_PKG_VERSION")),
            "SQL Server backups, a home directory",
            "its passphrase",
            "the envelope's key file",
            "+49 30 1234567",
            "bakpak unpack FILE --to DIRECTORY",
            "bakpak master-key show FILE",
        ] {
            assert!(text.contains(words), "{words}");
        }
        assert!(bakpak_format::preamble::encode(&text).is_ok());
        assert!(text.lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn a_redacted_text_tells_neither_date_nor_version_nor_content() {
        let text = cover(None, true).text().unwrap();
        for words in ["2023", env!("CARGO_PKG_VERSION"), "SQL", "home", "master"] {
            assert!(!text.contains(words), "{words}");
        }
        assert!(text.contains("bakpak unpack"));
    }

    #[test]
    fn a_contact_that_does_not_fit_is_refused_with_its_length() {
        let long = "x".repeat(MAX_COVER_LEN);
        let error = cover(Some(&long), false).text().unwrap_err().to_string();
        let max: usize = error.split(' ').rev().nth(1).unwrap().parse().unwrap();
        assert!(cover(Some(&long[..max]), false).text().is_ok());
        assert!(cover(Some(&long[..max + 1]), false).text().is_err());
        assert!(cover(Some("a\u{1b}[2J"), false).text().is_err());
        assert!(cover(Some("a\nb"), false).text().is_ok());
    }
}
