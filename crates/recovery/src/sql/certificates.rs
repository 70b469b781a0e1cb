//! `01-certificates`: what encrypted backups and databases cannot be restored without.

use super::batch::{Arg, Batch};
use super::order::{Certificate, CertificateFiles, RestoreOrder};
use super::script::{Draft, Script};

/// None where nothing is encrypted.
pub(super) fn script(order: &RestoreOrder) -> Option<Script> {
    if order.certificates.is_empty() {
        return None;
    }
    let mut batches = Vec::new();
    if order.certificates.iter().any(|one| one.files.is_some()) {
        batches.push(master_key());
    }
    let numbered = (1..).zip(&order.certificates);
    batches.extend(numbered.map(|(number, one)| create(number, one)));
    let draft = Draft {
        name: "01-certificates",
        about: &[
            "Creates the certificates that the backups or the database are encrypted with.",
            "What is there already stays as it is.",
        ],
        batches,
    };
    Some(draft.finish(order))
}

/// Stops the batch if a certificate is missing, before SQL Server says so in the middle of it.
pub(super) fn require(batch: &mut Batch, order: &RestoreOrder) {
    for certificate in &order.certificates {
        let thumbprint = Arg::Hex(&certificate.thumbprint);
        batch.line(
            "IF NOT EXISTS (SELECT 1 FROM master.sys.certificates WHERE thumbprint = {})",
            &[thumbprint],
        );
        batch.line(
            "    THROW 50001, N'certificate {} is missing: run 01-certificates first.', 1;",
            &[thumbprint],
        );
    }
}

/// Stops the batch if a secret was not filled in: it would become the password.
pub(super) fn require_filled_in(batch: &mut Batch, secret: &str) {
    // The braces as numbers: written out, they would be filled in here too.
    batch.line(
        "    IF LEFT({}, 2) = REPLICATE(NCHAR(123), 2)",
        &[Arg::Secret(secret)],
    );
    batch.line(
        "        THROW 50002, N'something was not filled in: see the head of this script.', 1;",
        &[],
    );
}

/// The key that private keys lie under. It is the server's own and needs not be the old one.
fn master_key() -> Batch {
    const PASSWORD: &str = "DMK_PASSWORD";
    let mut batch = Batch::new();
    batch.line(
        "IF NOT EXISTS (SELECT 1 FROM sys.symmetric_keys WHERE name = \
         N'##MS_DatabaseMasterKey##')",
        &[],
    );
    batch.line("BEGIN", &[]);
    require_filled_in(&mut batch, PASSWORD);
    batch.line(
        "    CREATE MASTER KEY ENCRYPTION BY PASSWORD = {};",
        &[Arg::Secret(PASSWORD)],
    );
    batch.line("END;", &[]);
    batch
}

fn create(number: u64, certificate: &Certificate) -> Batch {
    let mut batch = Batch::new();
    let thumbprint = Arg::Hex(&certificate.thumbprint);
    if let Some(files) = &certificate.files {
        batch.line(
            "IF EXISTS (SELECT 1 FROM sys.certificates WHERE thumbprint = {})",
            &[thumbprint],
        );
        batch.line("    PRINT N'certificate {} is there.';", &[thumbprint]);
        batch.line("ELSE", &[]);
        batch.line("BEGIN", &[]);
        create_from(&mut batch, number, certificate, files);
        batch.line("END;", &[]);
    }
    batch.line(
        "IF NOT EXISTS (SELECT 1 FROM sys.certificates WHERE thumbprint = {}",
        &[thumbprint],
    );
    batch.line("    AND pvt_key_encryption_type = 'MK')", &[]);
    batch.line(
        "    THROW 50003, N'there is no certificate {} with a private key that the server can \
         open.', 1;",
        &[thumbprint],
    );
    batch
}

fn create_from(batch: &mut Batch, number: u64, one: &Certificate, files: &CertificateFiles) {
    let password = format!("PVK_PASSWORD_{number}");
    require_filled_in(batch, &password);
    let name = one.name.clone().unwrap_or_else(|| name_of(&one.thumbprint));
    batch.line("    CREATE CERTIFICATE {}", &[Arg::Name(&name)]);
    batch.line("        FROM FILE = {}", &[Arg::Text(&files.certificate)]);
    batch.line(
        "        WITH PRIVATE KEY (FILE = {},",
        &[Arg::Text(&files.private_key)],
    );
    batch.line(
        "            DECRYPTION BY PASSWORD = {});",
        &[Arg::Secret(&password)],
    );
}

/// SQL Server finds certificates by their thumbprints, so the name can be any.
fn name_of(thumbprint: &[u8; 20]) -> String {
    let digits: String = thumbprint
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    format!("restored_{digits}")
}
