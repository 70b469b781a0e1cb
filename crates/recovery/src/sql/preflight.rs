//! `00-preflight`: what would stop the restore, all of it at once, before anything is changed.

use std::collections::BTreeSet;

use super::batch::{Arg, Batch};
use super::order::{Certificate, Existing, RestoreOrder};
use super::script::{Draft, Script};

pub(super) fn script(order: &RestoreOrder) -> Script {
    let mut batch = Batch::new();
    batch.line("DECLARE @problems int = 0;", &[]);
    server(&mut batch, order);
    database(&mut batch, order);
    for one in &order.certificates {
        certificate(&mut batch, one);
    }
    let files: BTreeSet<&str> = order
        .steps
        .iter()
        .flat_map(|step| step.files.iter().map(String::as_str))
        .collect();
    for path in files {
        unreadable(&mut batch, path);
    }
    for file in order.moves() {
        occupied(&mut batch, order, &file.target_path);
    }
    batch.line(
        "IF @problems > 0 THROW 50000, N'preflight found problems, see the lines above. \
         Nothing was changed.', 1;",
        &[],
    );
    batch.line(
        "PRINT N'preflight found no problem. Nothing was changed.';",
        &[],
    );
    Draft {
        name: "00-preflight",
        about: &["Looks for what would stop the restore, and names all of it. Changes nothing."],
        batches: vec![batch],
    }
    .finish(order)
}

fn server(batch: &mut Batch, order: &RestoreOrder) {
    // ProductMajorVersion is NULL on old servers, and NULL would pass every comparison.
    batch.line(
        "IF CAST(PARSENAME(CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), 4) AS int) \
         < {}",
        &[Arg::Number(order.min_major_version.into())],
    );
    batch.line("BEGIN", &[]);
    batch.line(
        "    PRINT N'PROBLEM: this SQL Server is too old: major version {} or newer is needed \
         (database version {}).';",
        &[
            Arg::Number(order.min_major_version.into()),
            Arg::Number(order.database_version.into()),
        ],
    );
    count(batch);
    batch.line("IF ISNULL(IS_SRVROLEMEMBER(N'sysadmin'), 0) <> 1", &[]);
    batch.line("BEGIN", &[]);
    batch.line(
        "    PRINT N'PROBLEM: these scripts need a login of the role sysadmin.';",
        &[],
    );
    count(batch);
}

fn database(batch: &mut Batch, order: &RestoreOrder) {
    if order.existing == Existing::Replace {
        return;
    }
    let target = Arg::Text(&order.target_database);
    batch.line("IF DB_ID({}) IS NOT NULL", &[target]);
    batch.line("BEGIN", &[]);
    batch.line(
        "    PRINT N'PROBLEM: a database of this name exists. Restore under another name, or have \
         the scripts written anew so that they replace it: ' + {};",
        &[target],
    );
    count(batch);
}

/// A certificate that `01-certificates` creates is no problem yet.
fn certificate(batch: &mut Batch, certificate: &Certificate) {
    let thumbprint = Arg::Hex(&certificate.thumbprint);
    batch.line(
        "IF NOT EXISTS (SELECT 1 FROM sys.certificates WHERE thumbprint = {})",
        &[thumbprint],
    );
    batch.line("BEGIN", &[]);
    if certificate.files.is_some() {
        batch.line(
            "    PRINT N'note: certificate {} is missing; 01-certificates creates it.';",
            &[thumbprint],
        );
        batch.line("END;", &[]);
    } else {
        batch.line(
            "    PRINT N'PROBLEM: certificate {} is missing, and its files are not among what is \
             restored.';",
            &[thumbprint],
        );
        count(batch);
    }
}

/// `RESTORE LABELONLY` shows that SQL Server itself can open the file, and that it is a backup.
fn unreadable(batch: &mut Batch, path: &str) {
    batch.line("BEGIN TRY", &[]);
    batch.line("    RESTORE LABELONLY FROM DISK = {};", &[Arg::Text(path)]);
    batch.line("END TRY", &[]);
    batch.line("BEGIN CATCH", &[]);
    batch.line(
        "    PRINT N'PROBLEM: SQL Server cannot read this as a backup (is it there, and may the \
         service account read it?): ' + {};",
        &[Arg::Text(path)],
    );
    batch.line("    SET @problems += 1;", &[]);
    batch.line("END CATCH;", &[]);
}

/// With REPLACE, SQL Server would also write over the files of a database that is offline.
fn occupied(batch: &mut Batch, order: &RestoreOrder, path: &str) {
    batch.line(
        "IF EXISTS (SELECT 1 FROM sys.master_files WHERE physical_name = {}",
        &[Arg::Text(path)],
    );
    batch.line(
        "    AND database_id <> ISNULL(DB_ID({}), 0))",
        &[Arg::Text(&order.target_database)],
    );
    batch.line("BEGIN", &[]);
    batch.line(
        "    PRINT N'PROBLEM: this file belongs to another database: ' + {};",
        &[Arg::Text(path)],
    );
    count(batch);
}

fn count(batch: &mut Batch) {
    batch.line("    SET @problems += 1;", &[]);
    batch.line("END;", &[]);
}
