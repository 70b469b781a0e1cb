//! Octopus: the instance, and its master key without showing it.

use super::document::{Section, Stage, Step};
use super::facts::OctopusFacts;
use super::shell::Block;
use super::{Target, Writer};

/// What is lost with the master key, and what must be done then.
const PLAN_B: [&str; 5] = [
    "PLAN B, only if the master key is lost for good: Octopus.Server lost-master-key --help. It \
     cannot be undone. What it costs:",
    "All sensitive variables, passwords and API keys of accounts, feeds and Git credentials are \
     gone and must be typed in anew.",
    "The server gets another certificate. Each Tentacle refuses it until its trust is renewed, on \
     the Tentacle: Tentacle.exe configure --reset-trust --trust=THUMBPRINT, with the thumbprint of \
     the new server.",
    "Certificates in the library lose their private keys.",
    "Take a copy of the database before, in case the key turns up after all.",
];

impl Writer<'_> {
    pub(super) fn instance_section(&self, octopus: &OctopusFacts) -> Section {
        let mut steps = Vec::new();
        if !self.has_master_key() {
            steps.push(Step::Warning(
                "The archive holds no master key. The command asks for it; do not go on without."
                    .to_owned(),
            ));
        }
        let own = octopus.database.as_ref();
        let has_logins = self.facts.databases.iter().any(|database| {
            Some(&database.target_database) == own && database.script("06").is_some()
        });
        if !has_logins {
            steps.push(Step::Text(
                "No login is known from the archive. On the SQL Server create the login that \
                 Octopus uses, join a user of its database to it (CREATE USER, or ALTER USER WITH \
                 LOGIN), and make that a member of db_owner."
                    .to_owned(),
            ));
        }
        steps.extend(match self.options.target {
            Target::Windows => self.instance_on_windows(octopus),
            Target::Docker => self.secrets_for_docker(octopus),
        });
        if !self.has_master_key() {
            steps.extend(PLAN_B.map(|line| Step::Text(line.to_owned())));
        }
        Section {
            number: 0,
            stage: Stage::Instance,
            title: "The instance, and its master key without showing it".to_owned(),
            why: "With the key Octopus reads the sensitive values in the database. A wrong one is \
                  noticed later only, so it comes from the envelope, not from a keyboard."
                .to_owned(),
            minutes: Some(10),
            steps,
        }
    }

    fn has_master_key(&self) -> bool {
        let envelope = self.facts.envelope.as_ref();
        envelope.is_some_and(|envelope| envelope.has_master_key)
    }

    fn instance_on_windows(&self, octopus: &OctopusFacts) -> Vec<Step> {
        const HAND_OVER: &str = "& $env:OCTOPUS database --instance $env:INSTANCE \
             --connectionString $env:CONNECTION --masterKey $env:BAKPAK_MASTER_KEY; \
             exit $LASTEXITCODE";
        vec![
            self.lines(
                &[
                    "& $OCTOPUS create-instance --instance $INSTANCE `",
                    "    --config \"$OCTOPUS_HOME\\OctopusServer.config\" `",
                    "    --home $OCTOPUS_HOME --serverNodeName $NODE_NAME",
                ],
                &[],
            ),
            self.command(|block| {
                connection(block, octopus, "Integrated Security=True");
                block.raw("$env:OCTOPUS = $OCTOPUS; $env:INSTANCE = $INSTANCE");
                block.raw("$env:CONNECTION = $CONNECTION");
                match self.has_master_key() {
                    true => block.bakpak(&self.with_master_key(HAND_OVER)),
                    false => block
                        .raw("$KEY = Read-Host 'Master key' -AsSecureString")
                        .raw("$KEY = (New-Object Net.NetworkCredential '', $KEY).Password")
                        .raw("& $OCTOPUS database --instance $INSTANCE `")
                        .raw("    --connectionString $CONNECTION --masterKey $KEY")
                        .raw("Remove-Variable KEY"),
                };
                block.raw("if ($LASTEXITCODE) { throw 'STOP: Octopus refused' }");
            }),
            Step::Warning(
                "Octopus takes the key as an argument only. The key is not on the screen and not \
                 in the history, but while this command runs, some seconds, administrators of this \
                 machine can see it in the list of processes, and where the audit of process \
                 creation records command lines (event 4688) it stays in the security log: switch \
                 that off for this moment, or clear it from there."
                    .to_owned(),
            ),
            self.lines(
                &[
                    "& $OCTOPUS configure --instance $INSTANCE `",
                    "    --webListenPrefixes $PORTAL_URL --commsListenPort $COMMS_PORT",
                    "& $OCTOPUS path --instance $INSTANCE `",
                    "    --nugetRepository \"$OCTOPUS_HOME\\Packages\" `",
                    "    --artifacts \"$OCTOPUS_HOME\\Artifacts\" `",
                    "    --taskLogs \"$OCTOPUS_HOME\\TaskLogs\" `",
                    "    --eventExports \"$OCTOPUS_HOME\\EventExports\"",
                    "& $OCTOPUS service --instance $INSTANCE --install --reconfigure --stop",
                ],
                &[],
            ),
            Step::Text(
                "In services.msc let the service log on with the account that may use the database \
                 (a member of its role db_owner); do not start it. For HTTPS import the portal's \
                 certificate with its key into LocalMachine\\My and bind it: it is neither in the \
                 database nor in the files."
                    .to_owned(),
            ),
        ]
    }

    fn secrets_for_docker(&self, octopus: &OctopusFacts) -> Vec<Step> {
        const HAND_OVER: &str = "umask 077; printf \
             \"MASTER_KEY=%s\\nDB_CONNECTION_STRING=%s\\n\" \"$BAKPAK_MASTER_KEY\" \"$CONNECTION\" \
             > \"$ENV_FILE\"";
        vec![
            Step::Text(
                "ENV_FILE lies in memory and only its owner can read it. It is removed in the last \
                 section."
                    .to_owned(),
            ),
            self.command(|block| {
                block.raw("read -rsp \"Password of $OCTOPUS_LOGIN: \" SQL_PASSWORD");
                // As a connection string takes it, whatever is in it.
                block.raw("SQL_PASSWORD=$(printf %s \"$SQL_PASSWORD\" | sed \"s/'/''/g\")");
                let login = "User Id=$OCTOPUS_LOGIN;Password='$SQL_PASSWORD'";
                connection(block, octopus, login);
                block.raw("export CONNECTION ENV_FILE");
                match self.has_master_key() {
                    true => block.bakpak(&self.with_master_key(HAND_OVER)),
                    false => block
                        .raw("read -rsp 'Master key: ' BAKPAK_MASTER_KEY")
                        .raw("(umask 077; printf 'MASTER_KEY=%s\\nDB_CONNECTION_STRING=%s\\n' \\")
                        .raw("    \"$BAKPAK_MASTER_KEY\" \"$CONNECTION\" > \"$ENV_FILE\")"),
                };
                block.raw("unset BAKPAK_MASTER_KEY CONNECTION SQL_PASSWORD");
                block.raw("stat -c '%a %s %n' \"$ENV_FILE\"");
            }),
            Step::Check("The file has mode 600 and is not empty.".to_owned()),
            Step::Warning(
                "The container has the key in its environment: whoever may use Docker on this \
                 machine can see it (docker inspect)."
                    .to_owned(),
            ),
        ]
    }
}

/// A line that puts the connection string together.
fn connection(block: &mut Block<'_>, octopus: &OctopusFacts, login: &str) {
    let name = octopus.database.as_ref();
    let known = name.map(|name| block.shell().quote(&catalogue(name)));
    match (block.is_powershell(), known) {
        (true, Some(name)) => block.raw(&format!("$DATABASE = {name}")),
        (true, None) => block.raw("$DATABASE = $OCTOPUS_DATABASE"),
        (false, Some(name)) => block.raw(&format!("DATABASE={name}")),
        (false, None) => block.raw("DATABASE=\"$OCTOPUS_DATABASE\""),
    };
    match block.is_powershell() {
        true => {
            block.raw("$CONNECTION = \"Data Source=$SQL_SERVER;Initial Catalog=$DATABASE;\" +");
            block.raw(&format!("    '{login};TrustServerCertificate=True'"));
        }
        false => {
            block.raw("CONNECTION=\"Data Source=$SQL_SERVER;Initial Catalog=$DATABASE;\"");
            block.raw(&format!("CONNECTION+=\"{login}\""));
            block.raw("CONNECTION+=\";TrustServerCertificate=True\"");
        }
    }
}

/// A name as a connection string takes it.
fn catalogue(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "''")),
    }
}
