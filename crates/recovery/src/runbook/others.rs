//! Backups that are not SQL Server's: BACPAC, PostgreSQL, Qdrant.

use mssql_backup::kind::PostgresFormat;

use super::document::{Section, Stage, Step};
use super::facts::{OtherBackup, OtherKind};
use super::shell::{Block, Word};
use super::{Target, Writer, words};
use crate::finding::quoted;

/// What stands behind the name of the folder of SQL Server's backups in that of all others.
const OTHERS: &str = "-others";

impl Writer<'_> {
    pub(super) fn others_section(&self) -> Option<Section> {
        let others = &self.facts.others;
        if others.is_empty() {
            return None;
        }
        let only = others.iter().flat_map(|other| {
            [
                Word::Bare("--only"),
                Word::Quoted(words::pattern(&other.path)),
            ]
        });
        let mut unpack = vec![
            Word::Bare("unpack"),
            Word::Value("ARCHIVE"),
            Word::Bare("--to"),
            Word::After("RESTORE", OTHERS.to_owned()),
        ];
        unpack.extend(self.key());
        unpack.extend(only);
        let mut steps = vec![self.command(|block| {
            block.bakpak(&unpack);
        })];
        for (number, other) in (1..).zip(others) {
            if other.is_damaged {
                steps.push(Step::Warning(format!(
                    "{} {} was DAMAGED when it was packed: it cannot be restored as it is. Look \
                     for another copy.",
                    other.kind.name(),
                    quoted(&other.path)
                )));
            }
            steps.extend(self.restore_other(number, other));
        }
        Some(Section {
            number: 0,
            stage: Stage::OtherBackups,
            title: "Other backups in the archive".to_owned(),
            why: "They are restored by the programs that made them. Vectors are derived from the \
                  databases, so they come after these."
                .to_owned(),
            minutes: None,
            steps,
        })
    }

    fn restore_other(&self, number: usize, other: &OtherBackup) -> Vec<Step> {
        // The folder beside RESTORE, not one in it.
        let path = Word::After(
            "RESTORE",
            match self.options.target {
                Target::Windows => format!("{OTHERS}\\{}", other.path.replace('/', "\\")),
                Target::Docker => format!("{OTHERS}/{}", other.path),
            },
        );
        let name = format!("{} {}.", other.kind.name(), quoted(&other.path));
        match &other.kind {
            OtherKind::Bacpac => {
                let mut steps = vec![
                    Step::Text(format!(
                        "{name} It is imported as a new database. It is as of one moment only if \
                         it was exported from a copy that nobody changed."
                    )),
                    self.command(|block| bacpac(block, path, number)),
                ];
                if self.options.target == Target::Docker {
                    steps.push(Step::Warning(
                        "sqlpackage takes the password as an argument: other users of the machine \
                         can see it while it runs."
                            .to_owned(),
                    ));
                }
                steps
            }
            OtherKind::Postgres {
                format,
                needs_vector,
            } => {
                let mut steps = vec![Step::Text(format!(
                    "{name} pg_restore and psql must not be older than the pg_dump that wrote it."
                ))];
                if *needs_vector {
                    steps.push(Step::Text(
                        "The server needs the extension vector (pgvector) in the same or a newer \
                         version: it is created first."
                            .to_owned(),
                    ));
                }
                steps.push(self.command(|block| {
                    let database = Word::Numbered("PG_DATABASE", number);
                    postgres(block, path, database, *format, *needs_vector);
                }));
                steps
            }
            OtherKind::Qdrant { sha256, .. } => vec![
                Step::Text(format!(
                    "{name} Its SHA-256 is {}. A snapshot is of one node and holds no other names \
                     of collections: give these anew afterwards.",
                    words::hex(sha256).to_lowercase()
                )),
                self.command(|block| {
                    qdrant(block, path, number, &words::hex(sha256).to_lowercase())
                }),
                Step::Check("The number of points is the one from before.".to_owned()),
            ],
        }
    }
}

impl OtherKind {
    /// What it is, in words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Bacpac => "BACPAC",
            Self::Postgres { .. } => "Dump of PostgreSQL",
            Self::Qdrant { .. } => "Snapshot of Qdrant",
        }
    }
}

fn bacpac(block: &mut Block<'_>, path: Word, number: usize) {
    let target = format!(
        "    \"/TargetServerName:$SQL_SERVER\" \"/TargetDatabaseName:$BACPAC_DATABASE_{number}\""
    );
    if block.is_powershell() {
        block
            .set("SOURCE", &path)
            .raw("sqlpackage /Action:Import \"/SourceFile:$SOURCE\" `")
            .raw(&target);
        return;
    }
    block
        .set("SOURCE", &path)
        .raw("read -rsp \"Password of $SQL_LOGIN: \" SQLCMDPASSWORD")
        .raw("sqlpackage /Action:Import \"/SourceFile:$SOURCE\" \\")
        .raw(&format!("{target} \\"))
        .raw("    \"/TargetUser:$SQL_LOGIN\" \"/TargetPassword:$SQLCMDPASSWORD\" \\")
        .raw("    /TargetTrustServerCertificate:True");
}

fn postgres(
    block: &mut Block<'_>,
    path: Word,
    database: Word,
    format: PostgresFormat,
    needs_vector: bool,
) {
    let connect = || {
        vec![
            Word::Bare("-h"),
            Word::Value("PG_HOST"),
            Word::Bare("-U"),
            Word::Value("PG_USER"),
        ]
    };
    let psql = |block: &mut Block<'_>, database: Word, end: &[Word]| {
        let mut words = vec![Word::Bare("psql")];
        words.extend(connect());
        words.extend([
            Word::Bare("-d"),
            database,
            Word::Bare("-v"),
            Word::Bare("ON_ERROR_STOP=1"),
        ]);
        words.extend(end.iter().cloned());
        block.run(&words);
    };
    if format == PostgresFormat::PlainCluster {
        psql(block, Word::Bare("postgres"), &[Word::Bare("-f"), path]);
        return;
    }
    let mut create = vec![Word::Bare("createdb")];
    create.extend(connect());
    create.push(database.clone());
    block.run(&create);
    if needs_vector {
        let create = Word::Quoted("CREATE EXTENSION IF NOT EXISTS vector".to_owned());
        psql(block, database.clone(), &[Word::Bare("-c"), create]);
    }
    if format == PostgresFormat::Plain {
        psql(block, database, &[Word::Bare("-f"), path]);
        return;
    }
    let mut restore = vec![Word::Bare("pg_restore")];
    restore.extend(connect());
    restore.extend([Word::Bare("-d"), database]);
    restore.extend(["--clean", "--if-exists", "--no-owner", "--exit-on-error"].map(Word::Bare));
    restore.push(path);
    block.run(&restore);
}

fn qdrant(block: &mut Block<'_>, path: Word, number: usize, sha256: &str) {
    let address = format!(
        "/collections/${{QDRANT_COLLECTION_{number}}}/snapshots/upload?priority=snapshot&checksum={sha256}"
    );
    match block.is_powershell() {
        // curl.exe: what PowerShell itself calls curl is another program.
        true => block
            .set("SNAPSHOT", &path)
            .raw("curl.exe --fail-with-body -X POST -F \"snapshot=@$SNAPSHOT\" `"),
        false => block
            .run(&[
                Word::Bare("ln -sfn --"),
                path,
                Word::Bare("/tmp/upload.snapshot"),
            ])
            .raw("curl --fail-with-body -X POST -F snapshot=@/tmp/upload.snapshot \\"),
    };
    block.raw(&format!("    \"${{QDRANT_URL}}{address}\""));
    let curl = if block.is_powershell() {
        "curl.exe"
    } else {
        "curl"
    };
    block.raw(&format!(
        "{curl} --fail-with-body \"${{QDRANT_URL}}/collections/${{QDRANT_COLLECTION_{number}}}\""
    ));
}
