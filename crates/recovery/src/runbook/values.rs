//! The values that no archive holds: filled in once, named, and used by name afterwards.

use mssql_backup::kind::PostgresFormat;

use super::facts::{ArchiveKey, EnvelopeKey, OtherKind, RunbookFacts};
use super::shell::Shell;
use super::{RunbookOptions, Target};

/// A value of a runbook that its reader may have to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedValue {
    /// Its name, which is that of a variable of the shell.
    pub(super) name: String,
    /// What it is, as far as that is known; empty if it must be filled in.
    pub(super) value: String,
    /// What it is for.
    pub(super) meaning: &'static str,
    /// What it may look like.
    pub(super) example: &'static str,
}

/// All values of a runbook.
pub(super) fn values(facts: &RunbookFacts, options: &RunbookOptions) -> Vec<NamedValue> {
    let mut values = Values(Vec::new());
    values.archive(facts, options);
    if !facts.databases.is_empty() {
        values.sql_server(options.target);
    }
    if facts.octopus.is_some() {
        values.octopus(facts, options.target);
    }
    if facts.octopus.is_none() && (!facts.homes.is_empty() || facts.attachments.is_some()) {
        let (known, example) = match options.target {
            Target::Windows => ("D:\\restored-files", "D:\\restored-files"),
            Target::Docker => ("/srv/restored", "/srv/restored"),
        };
        let meaning = "folder that files are unpacked to; it must not exist, or be empty";
        values.add("FILES", known, meaning, example);
    }
    for (number, other) in (1..).zip(&facts.others) {
        values.other(&other.kind, number, options.target);
    }
    values.0
}

struct Values(Vec<NamedValue>);

impl Values {
    fn add(&mut self, name: &str, value: &str, meaning: &'static str, example: &'static str) {
        if self.0.iter().all(|known| known.name != name) {
            self.0.push(NamedValue {
                name: name.to_owned(),
                value: value.to_owned(),
                meaning,
                example,
            });
        }
    }

    fn archive(&mut self, facts: &RunbookFacts, options: &RunbookOptions) {
        self.add(
            "ARCHIVE",
            &facts.archive,
            "path of the archive",
            "server.bakpak",
        );
        if facts.key == ArchiveKey::KeyFile {
            let meaning = "path of the key file that opens the archive";
            self.add("KEY_FILE", "", meaning, "server.key");
        }
        let envelope = facts.envelope.as_ref().map(|envelope| envelope.key);
        if envelope == Some(EnvelopeKey::KeyFile) {
            let meaning = "path of the key file that opens the master-key envelope";
            self.add("ENVELOPE_KEY_FILE", "", meaning, "safe.key");
        }
        self.add(
            "RESTORE",
            &options.restore_folder,
            "folder on the SQL Server that backups are unpacked to; it stands in the scripts, so \
             another one needs other scripts",
            "D:\\restore",
        );
        let meaning = "folder with this runbook and the scripts";
        self.add("SCRIPTS", ".", meaning, ".");
    }

    fn sql_server(&mut self, target: Target) {
        let meaning = "name of the SQL Server that is restored to, with its instance";
        self.add("SQL_SERVER", "", meaning, "SQL01");
        match target {
            Target::Windows => self.add(
                "SQL_ACCOUNT",
                "NT SERVICE\\MSSQLSERVER",
                "account that the SQL Server service runs under: it reads the backups",
                "NT SERVICE\\MSSQL$INSTANCE",
            ),
            Target::Docker => {
                let meaning = "login of the role sysadmin that runs the scripts";
                self.add("SQL_LOGIN", "sa", meaning, "sa");
                let meaning = "user and group that SQL Server runs under: it reads the backups";
                self.add("SQL_OWNER", "10001:0", meaning, "mssql:mssql");
            }
        }
    }

    fn octopus(&mut self, facts: &RunbookFacts, target: Target) {
        let version = facts
            .octopus
            .as_ref()
            .and_then(|octopus| octopus.version.clone());
        self.add(
            "OCTOPUS_VERSION",
            &version.unwrap_or_default(),
            "exactly the version that was backed up; 07-prove shows it from the database",
            "2024.4.1234",
        );
        let has_database = facts
            .octopus
            .as_ref()
            .is_some_and(|octopus| octopus.database.is_some());
        if !has_database {
            let meaning = "name of Octopus' database on the target";
            self.add("OCTOPUS_DATABASE", "", meaning, "OctopusDeploy");
            let meaning = "name of the SQL Server that it is on";
            self.add("SQL_SERVER", "", meaning, "SQL01");
        }
        let meaning = "name of the new node; another one than the old nodes have";
        self.add("NODE_NAME", "", meaning, "OCTO-DR1");
        match target {
            Target::Windows => self.octopus_on_windows(),
            Target::Docker => self.octopus_in_docker(),
        }
    }

    fn octopus_on_windows(&mut self) {
        let meaning = "folder of the installer of that version";
        self.add("INSTALLERS", ".", meaning, "D:\\install");
        let program = "C:\\Program Files\\Octopus Deploy\\Octopus\\Octopus.Server.exe";
        self.add("OCTOPUS", program, "Octopus' program", program);
        let meaning = "name of the instance";
        self.add("INSTANCE", "OctopusServer", meaning, "OctopusServer");
        self.add(
            "OCTOPUS_HOME",
            "",
            "home directory, where the old server had it: the database remembers its folders",
            "C:\\Octopus",
        );
        let meaning = "address of the portal, as users type it";
        self.add("PORTAL_URL", "", meaning, "https://octopus.example/");
        let meaning = "port for polling Tentacles";
        self.add("COMMS_PORT", "10943", meaning, "10943");
    }

    fn octopus_in_docker(&mut self) {
        let image = "octopusdeploy/octopusdeploy";
        self.add("IMAGE", image, "image, without the version", image);
        self.add(
            "IMAGE_OWNER",
            "1001:0",
            "user and group of the image: 1001:0 is the hardened one, 0:0 one that runs as root",
            "0:0",
        );
        let meaning = "name of the new container";
        self.add("CONTAINER", "octopus", meaning, "octopus");
        let meaning = "name of the old container, on the old machine";
        self.add("OLD_CONTAINER", "octopus", meaning, "octopus");
        let meaning = "folder on this machine for Octopus' files; its disk needs room for all";
        self.add("OCTOPUS_DATA", "/srv/octopus", meaning, "/srv/octopus");
        let meaning = "login of SQL Server that Octopus uses, a member of db_owner";
        self.add("OCTOPUS_LOGIN", "octopus", meaning, "octopus");
        let meaning = "file in memory that hands secrets to the container";
        self.add(
            "ENV_FILE",
            "/dev/shm/octopus.env",
            meaning,
            "/run/octopus.env",
        );
    }

    fn other(&mut self, kind: &OtherKind, number: usize, target: Target) {
        match kind {
            OtherKind::Bacpac => {
                let meaning = "name of the SQL Server that is restored to, with its instance";
                self.add("SQL_SERVER", "", meaning, "SQL01");
                let meaning = "name of the database that the BACPAC becomes; it must not exist";
                self.add(&format!("BACPAC_DATABASE_{number}"), "", meaning, "orders");
                if target == Target::Docker {
                    let meaning = "login that may create databases";
                    self.add("SQL_LOGIN", "sa", meaning, "sa");
                }
            }
            OtherKind::Postgres { format, .. } => {
                let meaning = "host of the PostgreSQL server";
                self.add("PG_HOST", "", meaning, "localhost");
                let meaning = "superuser of PostgreSQL";
                self.add("PG_USER", "postgres", meaning, "postgres");
                if *format != PostgresFormat::PlainCluster {
                    let meaning = "name of the database that the dump becomes; it must not exist";
                    self.add(&format!("PG_DATABASE_{number}"), "", meaning, "vectors");
                }
            }
            OtherKind::Qdrant { collection, .. } => {
                let meaning = "address of Qdrant, of the same minor version as the old one";
                self.add("QDRANT_URL", "", meaning, "http://localhost:6333");
                self.add(
                    &format!("QDRANT_COLLECTION_{number}"),
                    &in_address(collection.as_deref().unwrap_or_default()),
                    "name of the collection, as it stands in an address",
                    "documents",
                );
            }
        }
    }
}

/// A name as a part of an address.
fn in_address(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                written.push(char::from(byte));
            }
            _ => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

/// The lines that give all values their content, and then say which are empty.
pub(super) fn assignments(shell: Shell, values: &[NamedValue]) -> Vec<String> {
    let mut lines = Vec::new();
    for value in values {
        let line = shell.assign(&value.name, &value.value);
        lines.push(match value.value.is_empty() {
            true => format!("{line}   # fill in, as {}", value.example),
            false => line,
        });
    }
    let open: Vec<&str> = values
        .iter()
        .filter(|value| value.value.is_empty())
        .map(|value| value.name.as_str())
        .collect();
    if open.is_empty() {
        return lines;
    }
    match shell {
        Shell::PowerShell => {
            lines.push("foreach ($name in @(".to_owned());
            lines.extend(open.iter().enumerate().map(|(index, name)| {
                let comma = if index + 1 < open.len() { "," } else { "" };
                format!("    '{name}'{comma}")
            }));
            lines.push(")) {".to_owned());
            lines.push(
                "    if (-not (Get-Variable $name -ValueOnly)) { Write-Warning \"$name is empty\" }"
                    .to_owned(),
            );
            lines.push("}".to_owned());
        }
        Shell::Bash => {
            lines.push("for name in \\".to_owned());
            lines.extend(open.iter().enumerate().map(|(index, name)| {
                let end = if index + 1 < open.len() {
                    " \\"
                } else {
                    "; do"
                };
                format!("    {name}{end}")
            }));
            lines.push("  [ -n \"${!name}\" ] || echo \"$name is empty\" >&2".to_owned());
            lines.push("done".to_owned());
        }
    }
    lines
}
