//! Certificates with their private keys among the entries of an archive.

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::catalogue::Row;
use recovery::certificate::{Certificate, CertificateFile, Pairing, PrivateKey};

/// A certificate and its key, by their paths in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) thumbprint: [u8; 20],
    pub(super) certificate: String,
    pub(super) private_key: String,
}

/// Reads the entries that may be such, and puts together what belongs together. What has no partner
/// is left out: a script that creates it would fail, and nothing else is known to need it.
///
/// # Errors
///
/// The archive is damaged.
pub(super) fn pairs(archive: &mut Archive, rows: &[Row]) -> anyhow::Result<Vec<Pair>> {
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for row in rows {
        let mut bytes = Vec::new();
        let context = || format!("cannot read '{}'", row.path);
        archive.read_entry(row, &mut bytes).with_context(context)?;
        match CertificateFile::decode(&bytes) {
            Ok(CertificateFile::Certificate(one)) => certificates.push((row.path.to_string(), one)),
            Ok(CertificateFile::PrivateKey(one)) => keys.push((row.path.to_string(), one)),
            _ => {}
        }
    }
    Ok(paired(&certificates, &keys))
}

fn paired(certificates: &[(String, Certificate)], keys: &[(String, PrivateKey)]) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for (path, certificate) in certificates {
        let key = [Pairing::Same, Pairing::Possible]
            .into_iter()
            .find_map(|wanted| {
                // Of several that can be it, the one that is named alike.
                let fitting = keys
                    .iter()
                    .filter(|(_, key)| key.pairing(certificate) == wanted);
                fitting.min_by_key(|(name, _)| (stem(name) != stem(path), name))
            });
        let is_known = pairs
            .iter()
            .any(|pair| pair.thumbprint == certificate.thumbprint);
        if let Some((name, _)) = key.filter(|_| !is_known) {
            pairs.push(Pair {
                thumbprint: certificate.thumbprint,
                certificate: path.clone(),
                private_key: name.clone(),
            });
        }
    }
    pairs
}

/// A path without its extension.
fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}
