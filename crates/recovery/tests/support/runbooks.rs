//! Facts of an archive that never was, and the runbooks of each kind.

use jiff::civil::{DateTime, date};
use jiff::tz::Offset;
use mssql_backup::guid::Guid;
use mssql_backup::kind::PostgresFormat;
use mssql_backup::set::Flags;
use mssql_backup::testing::{Database, Media, write_media};
use recovery::catalogue::Catalogue;
use recovery::media::MediaFile;
use recovery::octopus::Folder;
use recovery::octopus::capture::Capture;
use recovery::order::{OrderOptions, order};
use recovery::plan::{Plan, PlanRequest, plan};
use recovery::runbook::facts::{
    ArchiveKey, CertificateFacts, DatabaseFacts, EnvelopeFacts, EnvelopeKey, OctopusFacts,
    OtherBackup, OtherKind, Part, RunbookFacts, ScriptFile,
};
use recovery::runbook::{RunbookOptions, Scripts, Target};
use recovery::sql::{
    Application, Certificate, CertificateFiles, PathStyle, Purpose, RestoreOrder, scripts,
};

/// A kind of runbook that there is a snapshot of.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    pub(crate) rehearsal: bool,
    /// Octopus, with everything it has; else another application.
    pub(crate) is_octopus: bool,
    pub(crate) has_master_key: bool,
}

pub(crate) const KINDS: [Kind; 6] = [
    kind("octopus-windows", Target::Windows, false, true),
    kind("octopus-docker", Target::Docker, false, true),
    kind("octopus-windows-rehearsal", Target::Windows, true, true),
    kind("octopus-docker-rehearsal", Target::Docker, true, true),
    kind("plain-windows", Target::Windows, false, false),
    kind("plain-docker-rehearsal", Target::Docker, true, false),
];

/// Octopus without its master key.
pub(crate) const WITHOUT_KEY: [Kind; 2] = [
    Kind {
        has_master_key: false,
        ..kind("octopus-windows-without-key", Target::Windows, false, true)
    },
    Kind {
        has_master_key: false,
        ..kind("octopus-docker-without-key", Target::Docker, false, true)
    },
];

const fn kind(name: &'static str, target: Target, rehearsal: bool, is_octopus: bool) -> Kind {
    Kind {
        name,
        target,
        rehearsal,
        is_octopus,
        has_master_key: true,
    }
}

/// The names that come from outside.
pub(crate) struct Names {
    pub(crate) archive: String,
    pub(crate) database: String,
    pub(crate) path: String,
    pub(crate) secret: String,
}

pub(crate) fn tame() -> Names {
    Names {
        archive: "octopus.bakpak".to_owned(),
        database: "OctopusDeploy".to_owned(),
        path: "shop".to_owned(),
        secret: "backup-certificate-password".to_owned(),
    }
}

impl Kind {
    pub(crate) fn options(&self) -> RunbookOptions {
        RunbookOptions {
            target: self.target,
            rehearsal: self.rehearsal,
            restore_folder: self.folder().to_owned(),
            scripts: Scripts::Written,
        }
    }

    fn folder(&self) -> &'static str {
        match self.target {
            Target::Windows => "D:\\restore",
            Target::Docker => "/srv/restore",
        }
    }

    pub(crate) fn facts(&self, names: &Names) -> RunbookFacts {
        let target_database = match self.rehearsal {
            true => format!("{} drill", names.database),
            false => names.database.clone(),
        };
        let plan = planned(&names.database);
        let scripts = self.scripts(&plan, &target_database);
        let part = |path: &str, file_count, len| Part {
            path: path.to_owned(),
            file_count,
            len,
        };
        let home = |name: &str| format!("home/{name}");
        let octopus = OctopusFacts {
            version: None,
            database: Some(target_database.clone()),
            folders: vec![
                (Folder::Packages, part(&home("Packages"), 1204, 61 << 30)),
                (Folder::Artifacts, part(&home("Artifacts"), 310, 2 << 30)),
                (Folder::TaskLogs, part(&home("TaskLogs"), 318_223, 5 << 30)),
            ],
            not_to_restore: vec![home("OctopusServer.config")],
            capture: Some(capture()),
        };
        RunbookFacts {
            archive: names.archive.clone(),
            archive_len: 31 << 30,
            packed: Some("2026-03-01 06:20:00Z by bakpak 0.1.0".to_owned()),
            contact: Some("on call: +49 30 1234567".to_owned()),
            key: ArchiveKey::KeyFile,
            envelope: Some(EnvelopeFacts {
                key: match self.rehearsal {
                    true => EnvelopeKey::SameAsArchive,
                    false => EnvelopeKey::KeyFile,
                },
                has_master_key: self.has_master_key,
                secrets: vec![names.secret.clone()],
            }),
            databases: vec![DatabaseFacts {
                plan,
                target_database,
                scripts,
                backup_len: 20 << 30,
            }],
            certificates: vec![
                CertificateFacts {
                    thumbprint: [0xAB; 20],
                    entries: vec![
                        "attachments/backup.cer".to_owned(),
                        "attachments/backup.pvk".to_owned(),
                    ],
                },
                CertificateFacts {
                    thumbprint: [0xCD; 20],
                    entries: Vec::new(),
                },
            ],
            octopus: self.is_octopus.then_some(octopus),
            homes: match self.is_octopus {
                true => Vec::new(),
                false => vec![part(&home(&names.path), 12, 4096)],
            },
            attachments: Some(part("attachments", 2, 2048)),
            others: match self.is_octopus {
                true => Vec::new(),
                false => others(&names.path),
            },
            findings: Vec::new(),
            lost: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn scripts(&self, plan: &Plan, target_database: &str) -> Vec<ScriptFile> {
        let style = match self.target {
            Target::Windows => PathStyle::Windows,
            Target::Docker => PathStyle::Linux,
        };
        let folder = self.folder();
        let certificate = |name: &str| style.join(folder, &format!("attachments/{name}"));
        let options = OrderOptions {
            target_database: Some(target_database.to_owned()),
            purpose: match self.rehearsal {
                true => Purpose::Rehearsal,
                false => Purpose::Recovery,
            },
            application: match self.is_octopus {
                true => Application::Octopus,
                false => Application::Other,
            },
            certificates: vec![Certificate {
                name: None,
                thumbprint: [0xAB; 20],
                files: Some(CertificateFiles {
                    certificate: certificate("backup.cer"),
                    private_key: certificate("backup.pvk"),
                }),
            }],
            tail_file: Some(style.join(folder, "tail.trn")),
            ..OrderOptions::new(style, folder)
        };
        let order: RestoreOrder = order(plan, &options).unwrap();
        let scripts = scripts(&order).unwrap().into_iter();
        let file = |script: recovery::sql::Script| ScriptFile {
            name: script.name.to_owned(),
            path: format!("sql/{}.sql", script.name),
            placeholders: script.placeholders,
        };
        scripts.map(file).collect()
    }
}

fn others(path: &str) -> Vec<OtherBackup> {
    let postgres = |format, needs_vector| OtherKind::Postgres {
        format,
        needs_vector,
    };
    let kinds = [
        OtherKind::Bacpac,
        postgres(PostgresFormat::Custom, true),
        postgres(PostgresFormat::Plain, false),
        postgres(PostgresFormat::PlainCluster, false),
        OtherKind::Qdrant {
            sha256: [0x5A; 32],
            collection: None,
        },
    ];
    let other = |(number, kind)| OtherBackup {
        path: format!("attachments/{path}-{number}"),
        kind,
        is_damaged: false,
    };
    (1..).zip(kinds).map(other).collect()
}

/// The files were captured from ten past six on.
fn capture() -> Capture {
    let utc = |minute| {
        let local = date(2026, 3, 1).at(6, minute, 0, 0);
        Offset::constant(1).to_timestamp(local).unwrap()
    };
    Capture {
        database_finish: utc(0),
        files_start: utc(10),
        files_end: utc(19),
        offset: Offset::constant(1),
    }
}

fn at(hour: i8) -> DateTime {
    date(2026, 3, 1).at(hour, 0, 0, 0)
}

/// To a moment after the files were captured.
fn planned(name: &str) -> Plan {
    let mut database = Database::new("made");
    database.utc_offset = Offset::constant(1);
    database.commit(at(1));
    let mut sets = vec![database.full(at(2))];
    for hour in 3..8 {
        database.commit(at(hour));
        sets.push(database.log(at(hour)));
    }
    for set in &mut sets {
        set.has_checksums = true;
    }
    sets[2].flags = Flags::BULK_LOGGED_DATA;
    let media = Media {
        id: Guid([7; 16]),
        ..Media::default()
    };
    let files = write_media(&media, &sets).into_iter().map(|bytes| {
        let report = mssql_backup::read::check(bytes.as_slice()).unwrap();
        let mut sets: Vec<_> = report.sets.into_iter().map(|set| set.checked).collect();
        for checked in &mut sets {
            checked.set.header.database_name = Some(name.to_owned());
        }
        MediaFile {
            name: "sql/all.bak".to_owned(),
            label: report.label,
            sets,
            trouble: None,
        }
    });
    let request = PlanRequest {
        at: Some(at(6).saturating_add(jiff::ToSpan::minutes(30))),
        ..PlanRequest::default()
    };
    plan(&Catalogue::of(files.collect()), &request).unwrap()
}
