//! Octopus: the first start, the proof, and the opening; or the end of a rehearsal.

use super::document::{Section, Stage, Step};
use super::facts::OctopusFacts;
use super::shell::Block;
use super::{Target, Writer, words};
use crate::finding::quoted;
use crate::octopus::Folder;

impl Writer<'_> {
    pub(super) fn start_section(&self) -> Section {
        let steps = match self.options.target {
            Target::Windows => vec![
                self.lines(
                    &[
                        "New-NetFirewallRule -DisplayName 'recovery: Octopus closed' `",
                        "    -Direction Inbound -Program $OCTOPUS -Action Block",
                        "New-NetFirewallRule -DisplayName 'recovery: web closed' `",
                        "    -Direction Inbound -Protocol TCP -LocalPort 80,443,$COMMS_PORT `",
                        "    -Action Block",
                        "& $OCTOPUS service --instance $INSTANCE --start",
                        "& $OCTOPUS node --instance $INSTANCE --drain=true",
                    ],
                    &[],
                ),
                Step::Text(
                    "On this machine sign in to the portal and switch on Configuration > \
                     Maintenance. Tasks that waited in the database may have begun: look at Tasks \
                     and cancel what must not run."
                        .to_owned(),
                ),
            ],
            Target::Docker => vec![
                self.command(|block| self.docker_run(block, Audience::Closed)),
                Step::Text(
                    "It answers on this machine only, and runs no task (TASK_CAP is 0). Sign in \
                     and switch on Configuration > Maintenance."
                        .to_owned(),
                ),
            ],
        };
        Section {
            number: 0,
            stage: Stage::Start,
            title: "First start, closed to users".to_owned(),
            why: "What is wrong shows now, while nobody works with it.".to_owned(),
            minutes: Some(10),
            steps,
        }
    }

    /// The container, with all that is in its place.
    fn docker_run(&self, block: &mut Block<'_>, audience: Audience) {
        block.raw("docker run -d --name \"$CONTAINER\" --env-file \"$ENV_FILE\" \\");
        block.raw("    -e ACCEPT_EULA=Y -e DISABLE_DIND=Y \\");
        block.raw("    -e OCTOPUS_SERVER_NODE_NAME=\"$NODE_NAME\" \\");
        match (audience, self.options.rehearsal) {
            (_, true) => block
                .raw("    -e TASK_CAP=0 \\")
                .raw("    --network rehearsal --ip 172.31.255.10 \\"),
            (Audience::Closed, false) => block
                .raw("    -e TASK_CAP=0 \\")
                .raw("    -p 127.0.0.1:8080:8080 \\"),
            (Audience::Everyone, false) => block
                .raw("    -e TASK_CAP=5 --restart unless-stopped \\")
                .raw("    -p 8080:8080 -p 10943:10943 \\"),
        };
        for folder in Folder::ALL {
            let mount = super::octopus::mount(folder);
            block.raw(&format!("    -v \"$OCTOPUS_DATA/{mount}:/{mount}\" \\"));
        }
        block.raw("    \"$IMAGE:$OCTOPUS_VERSION\"");
    }

    pub(super) fn prove_section(&self, octopus: &OctopusFacts) -> Section {
        let address = match self.options.rehearsal {
            true => "curl -fsS http://172.31.255.10:8080/api/octopusservernodes/ping",
            false => "curl -fsS http://127.0.0.1:8080/api/octopusservernodes/ping",
        };
        let mut steps = vec![self.lines(
            &[
                "Invoke-WebRequest -UseBasicParsing `",
                "    ($PORTAL_URL.TrimEnd('/') + '/api/octopusservernodes/ping')",
                "& $OCTOPUS show-thumbprint --instance $INSTANCE",
            ],
            &[
                address,
                "docker exec \"$CONTAINER\" /Octopus/Octopus.Server show-thumbprint \\",
                "    --instance OctopusServer",
            ],
        )];
        let mut checks = vec![
            "The thumbprint is the one that Tentacles trust: Tentacle.exe show-configuration on \
             one of them tells it. So the master key is right."
                .to_owned(),
            "Configuration > Diagnostics: the task System Integrity Check ends without an error, \
             and re-indexing the built-in package repository ends too."
                .to_owned(),
            "The log of an old deployment opens, an old artifact can be downloaded, a project shows \
             its logo, and releases still have their packages."
                .to_owned(),
            "Configuration > Nodes: nodes of the old server are deleted.".to_owned(),
        ];
        checks.push(match self.options.rehearsal {
            true => "All targets, workers, triggers and subscriptions are disabled. Run no \
                     deployment."
                .to_owned(),
            false => {
                "With maintenance mode still on, a health check of one target ends well.".to_owned()
            }
        });
        let own = self
            .facts
            .databases
            .iter()
            .filter(|one| Some(&one.target_database) == octopus.database.as_ref());
        let others = self
            .facts
            .databases
            .iter()
            .filter(|one| Some(&one.target_database) != octopus.database.as_ref());
        for database in own.chain(others) {
            if let Some(script) = database.script("07") {
                steps.extend(self.run_script(database, script, "07"));
            }
        }
        steps.extend(checks.into_iter().map(Step::Check));
        Section {
            number: 0,
            stage: Stage::Prove,
            title: "Prove that it works".to_owned(),
            why: "A server that starts is not yet one that works.".to_owned(),
            minutes: Some(30),
            steps,
        }
    }

    pub(super) fn open_section(&self, octopus: &OctopusFacts) -> Section {
        match self.options.rehearsal {
            true => self.clear_away(octopus),
            false => self.open_to_users(),
        }
    }

    fn open_to_users(&self) -> Section {
        let mut steps = Vec::new();
        steps.push(match self.options.target {
            Target::Windows => self.lines(
                &[
                    "Remove-NetFirewallRule -DisplayName 'recovery: Octopus closed'",
                    "Remove-NetFirewallRule -DisplayName 'recovery: web closed'",
                    "& $OCTOPUS node --instance $INSTANCE --drain=false",
                ],
                &[],
            ),
            Target::Docker => self.command(|block| {
                block.raw("docker rm -f \"$CONTAINER\"");
                self.docker_run(block, Audience::Everyone);
                block.raw("rm -f \"$ENV_FILE\"");
            }),
        });
        let rest = [
            "Point DNS and the load balancer at the new server. Polling Tentacles need the same \
             address and port 10943, or each must be told: Tentacle.exe poll-server.",
            "Leave maintenance mode.",
            "Take a full backup of the database and pack a new archive now: the chain of the old \
             one ends here.",
            "Delete scripts with passwords, and what was unpacked to RESTORE. Write down how long \
             each section took.",
        ];
        steps.extend(rest.map(|line| Step::Text(line.to_owned())));
        Section {
            number: 0,
            stage: Stage::Open,
            title: "Open it, and take a new backup".to_owned(),
            why: "Until the new backup is taken, nothing protects what users do now.".to_owned(),
            minutes: Some(20),
            steps,
        }
    }

    fn clear_away(&self, octopus: &OctopusFacts) -> Section {
        let mut steps = vec![self.lines(
            &[
                "& $OCTOPUS service --instance $INSTANCE --stop --uninstall",
                "& $OCTOPUS delete-instance --instance $INSTANCE",
            ],
            &["docker rm -f \"$CONTAINER\"", "rm -f \"$ENV_FILE\""],
        )];
        steps.extend(self.drop_databases());
        let names: Vec<String> = octopus
            .folders
            .iter()
            .map(|(folder, _)| quoted(folder.name()))
            .collect();
        steps.push(Step::Text(format!(
            "Delete {}, what was unpacked to RESTORE, and the rules or network of the isolation.",
            match names.is_empty() {
                true => "Octopus' folder".to_owned(),
                false => format!("Octopus' folders {}", words::list(&names)),
            }
        )));
        steps.push(Step::Text(
            "Write down: the date, what was restored and to where, how long each section took, what \
             the proofs showed, who approved it, and what is to be mended."
                .to_owned(),
        ));
        Section {
            number: 0,
            stage: Stage::Open,
            title: "Clear the rehearsal away".to_owned(),
            why: "A copy that is forgotten is a leak, or deploys one day.".to_owned(),
            minutes: Some(10),
            steps,
        }
    }

    /// The databases of a rehearsal go, by the script that spares all others.
    pub(super) fn drop_databases(&self) -> Vec<Step> {
        let databases = self.facts.databases.iter();
        databases
            .filter_map(|database| Some((database, database.script("08")?)))
            .flat_map(|(database, script)| self.run_script(database, script, "08"))
            .collect()
    }
}

/// Who reaches a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    Closed,
    Everyone,
}
