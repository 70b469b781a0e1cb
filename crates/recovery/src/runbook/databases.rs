//! Fencing the old server, and the databases: certificates, then the chain, then logins.

use std::collections::BTreeSet;

use super::document::{Section, Stage, Step};
use super::facts::{DatabaseFacts, ScriptFile};
use super::shell::Word;
use super::{Target, Writer, words};
use crate::finding::quoted;

impl Writer<'_> {
    /// Two servers on one estate deploy twice. A rehearsal fences itself instead.
    pub(super) fn fence_section(&self) -> Section {
        let (title, why, steps) = match self.options.rehearsal {
            true => (
                "Isolate the rehearsal",
                "The copy knows the same targets, with the same credentials, as the original.",
                self.isolation(),
            ),
            false => (
                "Fence the old server, if it lives",
                "Two servers with one database act twice, and what the old one still writes is \
                 lost.",
                self.fence(),
            ),
        };
        Section {
            number: 0,
            stage: Stage::Fence,
            title: title.to_owned(),
            why: why.to_owned(),
            minutes: Some(15),
            steps,
        }
    }

    fn isolation(&self) -> Vec<Step> {
        let mut steps = vec![Step::Warning(
            "Use machines in a network that has no way to the original server, its targets, its \
             mail server or the Internet. The old server is left alone."
                .to_owned(),
        )];
        if self.facts.octopus.is_some() {
            steps.push(self.lines(
                &[
                    "New-NetFirewallRule -DisplayName 'rehearsal: Octopus stays inside' `",
                    "    -Direction Outbound -Program $OCTOPUS -Action Block",
                ],
                &["docker network create --internal --subnet 172.31.255.0/24 rehearsal"],
            ));
            steps.push(Step::Text(match self.options.target {
                Target::Windows => {
                    "The rule leaves connections within this machine alone, so SQL Server must be \
                     on it."
                        .to_owned()
                }
                Target::Docker => {
                    "SQL Server runs in a container of this network. SQL_SERVER is its address \
                     there, which this machine reaches too: give it one by docker network connect \
                     --ip 172.31.255.20."
                        .to_owned()
                }
            }));
        }
        steps
    }

    fn fence(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.facts.octopus.is_some() {
            steps.push(Step::Text(
                "On the OLD server, with the values of the first section: let running tasks end, \
                 stop it, and keep it from starting again. If it cannot be reached, cut it off \
                 from the network or switch it off, and make sure that it stays so."
                    .to_owned(),
            ));
            steps.push(self.lines(
                &[
                    "& $OCTOPUS node --instance $INSTANCE --drain=true --wait=600",
                    "& $OCTOPUS service --instance $INSTANCE --stop",
                    "Set-Service OctopusDeploy -StartupType Disabled",
                ],
                &[
                    "docker exec \"$OLD_CONTAINER\" /Octopus/Octopus.Server node \\",
                    "    --instance OctopusServer --drain=true --wait=600",
                    "docker update --restart=no \"$OLD_CONTAINER\"",
                    "docker stop \"$OLD_CONTAINER\"",
                ],
            ));
            steps.push(Step::Check(
                "Nobody gets an answer from the old address, on any node.".to_owned(),
            ));
        } else {
            steps.push(Step::Text(
                "Stop the application on the old server and keep it from starting again, or cut \
                 the server off from the network."
                    .to_owned(),
            ));
        }
        for database in &self.facts.databases {
            let Some(script) = database.script("03") else {
                continue;
            };
            steps.push(Step::Text(format!(
                "Only if the old SQL Server lives: save the tail of the log of {}. In {} fill in: \
                 {}. Run it on the old SQL Server. Then have plan, scripts and runbook written \
                 anew from all backups and this one, or the tail is of no use.",
                quoted(&database.plan.database),
                quoted(&script.path),
                script.placeholders.join(", ")
            )));
        }
        steps
    }

    pub(super) fn databases_section(&self) -> Option<Section> {
        if self.facts.databases.is_empty() {
            return None;
        }
        let mut steps = Vec::new();
        let (possible, lost): (Vec<_>, Vec<_>) = self
            .facts
            .databases
            .iter()
            .partition(|database| database.plan.is_possible());
        steps.extend(lost.iter().map(|database| {
            Step::Warning(format!(
                "Database {} cannot be restored to what was asked: the section before says why.",
                quoted(&database.plan.database)
            ))
        }));
        if !possible.is_empty() {
            steps.extend(self.unpack_backups());
            steps.extend(self.about_certificates());
            // Certificates of all databases before the first restore.
            for number in ["00", "01", "02", "04", "05", "06"] {
                for database in &possible {
                    steps.extend(database.script(number).map_or(Vec::new(), |script| {
                        self.run_script(database, script, number)
                    }));
                }
            }
        }
        let len = possible.iter().fold(0_u64, |sum, database| {
            sum.saturating_add(database.backup_len)
        });
        Some(Section {
            number: 0,
            stage: Stage::Databases,
            title: "SQL Server: certificates, then databases, then logins".to_owned(),
            why: "Every script says in its head what it does. None overwrites a database unless \
                  its head says so."
                .to_owned(),
            // Unpacked, read once by SQL Server, and restored.
            minutes: (!possible.is_empty()).then(|| words::minutes(len).saturating_mul(3) + 10),
            steps,
        })
    }

    fn unpack_backups(&self) -> Vec<Step> {
        let certificates = self.facts.certificates.iter();
        let entries = certificates.flat_map(|certificate| &certificate.entries);
        let only = self.backups().into_iter();
        let only = only.chain(entries.map(|path| words::pattern(path)));
        let selection = only.flat_map(|pattern| [Word::Bare("--only"), Word::Quoted(pattern)]);
        let mut words = vec![
            Word::Bare("unpack"),
            Word::Value("ARCHIVE"),
            Word::Bare("--to"),
            Word::Value("RESTORE"),
        ];
        words.extend(self.key());
        words.extend(selection);
        vec![
            Step::Text(
                "On the machine of the SQL Server. RESTORE must not exist yet, or be empty."
                    .to_owned(),
            ),
            self.command(|block| {
                block.bakpak(&words);
                for line in match self.options.target {
                    Target::Windows => {
                        &["icacls $RESTORE /grant ($SQL_ACCOUNT + ':(OI)(CI)RX')"][..]
                    }
                    Target::Docker => &[
                        "chown -R \"$SQL_OWNER\" \"$RESTORE\"",
                        "read -rsp \"Password of $SQL_LOGIN: \" SQLCMDPASSWORD",
                        "export SQLCMDPASSWORD",
                    ],
                } {
                    block.raw(line);
                }
            }),
        ]
    }

    /// Patterns of the backups that the plans name: all in `sql`, and others one by one.
    fn backups(&self) -> BTreeSet<String> {
        let databases = self.facts.databases.iter();
        let steps = databases.flat_map(|database| &database.plan.steps);
        let files = steps.flat_map(|step| &step.files);
        files
            .map(
                |file| match file.contains('/') && !file.starts_with("sql/") {
                    true => words::pattern(file),
                    false => "sql".to_owned(),
                },
            )
            .collect()
    }

    fn about_certificates(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for certificate in &self.facts.certificates {
            let thumbprint = words::hex(&certificate.thumbprint);
            if certificate.entries.is_empty() {
                steps.push(Step::Warning(format!(
                    "Certificate {thumbprint} is not in the archive. Without it, and its private \
                     key, what it encrypts cannot be restored: bring both, and create it on the \
                     SQL Server now."
                )));
            }
        }
        let secrets = self
            .facts
            .envelope
            .as_ref()
            .map(|envelope| &envelope.secrets);
        let secrets = secrets.filter(|_| !self.facts.certificates.is_empty());
        for secret in secrets.into_iter().flatten() {
            let call = [
                Word::Bare("master-key"),
                Word::Bare("show"),
                Word::Value("ARCHIVE"),
            ];
            let item = [Word::Bare("--item"), Word::Quoted(secret.clone())];
            let words = [call.to_vec(), self.envelope_key(), item.to_vec()].concat();
            steps.push(Step::Text(format!(
                "The envelope holds {}. If it is the password of a private key, this shows it on \
                 the screen:",
                quoted(secret)
            )));
            steps.push(self.command(|block| {
                block.bakpak(&words);
            }));
        }
        steps
    }

    pub(super) fn run_script(
        &self,
        database: &DatabaseFacts,
        script: &ScriptFile,
        number: &str,
    ) -> Vec<Step> {
        let name = quoted(&database.target_database);
        let mut steps = vec![Step::Text(match number {
            "00" => format!("{name}: look for what would stop the restore; nothing is changed."),
            "01" => format!("{name}: create the certificates."),
            "02" => format!("{name}: SQL Server reads every backup to its end."),
            "04" => format!("{name}: restore. The database stays restoring; nobody can use it."),
            "05" if self.options.rehearsal => {
                format!("{name}: open the database, made harmless where that is known.")
            }
            "05" => format!("{name}: open the database. No further backup can be restored then."),
            "06" => format!("{name}: create logins and join the users to them."),
            "08" => format!("{name}: drop the database; one of no rehearsal is not touched."),
            "07" => format!("{name}: check every page, and show what was restored."),
            _ => format!("{name}: {}.", script.name),
        })];
        if !script.placeholders.is_empty() {
            steps.push(Step::Text(format!(
                "First, in {}, put in what stands in double braces (write ' twice): {}. Delete \
                 the file when it has run, for it holds secrets then.",
                quoted(&script.path),
                script.placeholders.join(", ")
            )));
        }
        let log = format!("{}.log", script.path.replace(['/', '\\'], "-"));
        steps.push(self.command(|block| {
            let mut words: Vec<Word> = ["sqlcmd", "-S"].map(Word::Bare).to_vec();
            words.push(Word::Value("SQL_SERVER"));
            words.extend(match self.options.target {
                Target::Windows => vec![Word::Bare("-E")],
                Target::Docker => {
                    vec![Word::Bare("-C"), Word::Bare("-U"), Word::Value("SQL_LOGIN")]
                }
            });
            words.extend(["-b", "-V", "11", "-r", "1", "-i"].map(Word::Bare));
            words.push(self.below("SCRIPTS", &script.path));
            match self.options.target {
                Target::Windows => {
                    words.extend(["|", "Tee-Object"].map(Word::Bare));
                    words.push(self.below("RESTORE", &log));
                    block.run(&words);
                    block.raw("if ($LASTEXITCODE) { throw 'STOP: the script has failed' }");
                }
                Target::Docker => {
                    words.extend(["|", "tee"].map(Word::Bare));
                    words.push(self.below("RESTORE", &log));
                    block.run(&words);
                    block.raw("[ \"${PIPESTATUS[0]}\" = 0 ] || echo 'STOP: it has failed' >&2");
                }
            }
        }));
        if number == "00" {
            steps.push(Step::Check(
                "It prints 'preflight found no problem'. Else mend what it names, all of it."
                    .to_owned(),
            ));
        }
        steps
    }
}
