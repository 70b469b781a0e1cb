//! Applications of which nothing is known: their files, the start, the proof.

use super::document::{Section, Stage, Step};
use super::shell::Word;
use super::{Target, Writer, words};
use crate::finding::quoted;

impl Writer<'_> {
    pub(super) fn plain_sections(&self) -> Vec<Section> {
        let mut sections = Vec::new();
        let files: Vec<_> = self
            .facts
            .homes
            .iter()
            .chain(&self.facts.attachments)
            .collect();
        if !files.is_empty() {
            let mut unpack = vec![
                Word::Bare("unpack"),
                Word::Value("ARCHIVE"),
                Word::Bare("--to"),
                Word::Value("FILES"),
            ];
            unpack.extend(self.key());
            let mut rows = Vec::new();
            let mut len = 0_u64;
            for part in files {
                unpack.push(Word::Bare("--only"));
                unpack.push(Word::Quoted(words::pattern(&part.path)));
                let count = format!(
                    "{}, {}",
                    words::files(part.file_count),
                    words::size(part.len)
                );
                rows.push((quoted(&part.path), count));
                len = len.saturating_add(part.len);
            }
            sections.push(Section {
                number: 0,
                stage: Stage::Files,
                title: "Files, before the application starts".to_owned(),
                why: "What an application does not find at its start it may take for deleted."
                    .to_owned(),
                minutes: Some(words::minutes(len)),
                steps: vec![
                    Step::Table(rows),
                    self.command(|block| {
                        block.bakpak(&unpack);
                    }),
                    Step::Text(
                        "Move them to where the application expects them. It must not run \
                         meanwhile."
                            .to_owned(),
                    ),
                ],
            });
        }
        if self.has_master_key_to_hand_over() {
            sections.push(self.plain_key_section());
        }
        sections.push(self.plain_start_section());
        sections.push(self.plain_prove_section());
        sections.push(self.plain_open_section());
        sections
    }

    fn has_master_key_to_hand_over(&self) -> bool {
        let envelope = self.facts.envelope.as_ref();
        envelope.is_some_and(|envelope| envelope.has_master_key)
    }

    fn plain_key_section(&self) -> Section {
        let line = match self.options.target {
            Target::Windows => "& .\\set-master-key.ps1",
            Target::Docker => "./set-master-key.sh",
        };
        Section {
            number: 0,
            stage: Stage::Instance,
            title: "The master key, without showing it".to_owned(),
            why: "What is encrypted with it is of no use otherwise.".to_owned(),
            minutes: None,
            steps: vec![
                Step::Text(
                    "Write a script that gives the application its key as the application takes \
                     it: it finds the key in the variable BAKPAK_MASTER_KEY. Then:"
                        .to_owned(),
                ),
                self.command(|block| {
                    block.bakpak(&self.with_master_key(line));
                }),
            ],
        }
    }

    fn plain_start_section(&self) -> Section {
        let mut steps = Vec::new();
        if self.options.rehearsal {
            steps.push(Step::Warning(
                "What would make this application harmless is not known. Its databases are open to \
                 their owners only. See to it that no job, mail or interface of it reaches \
                 anything before it starts."
                    .to_owned(),
            ));
        }
        steps.push(Step::Text(
            "Install the application in the version that was backed up, name it the new SQL \
             Server, and start it, reachable from this machine only."
                .to_owned(),
        ));
        Section {
            number: 0,
            stage: Stage::Start,
            title: "Start, closed to users".to_owned(),
            why: "What is wrong shows now, while nobody works with it.".to_owned(),
            minutes: None,
            steps,
        }
    }

    fn plain_prove_section(&self) -> Section {
        let databases = self.facts.databases.iter();
        let mut steps: Vec<Step> = databases
            .filter_map(|database| Some((database, database.script("07")?)))
            .flat_map(|(database, script)| self.run_script(database, script, "07"))
            .collect();
        steps.push(Step::Check(
            "The newest record that its users remember is there, and a file that a record refers to \
             opens."
                .to_owned(),
        ));
        Section {
            number: 0,
            stage: Stage::Prove,
            title: "Prove that it works".to_owned(),
            why: "A server that starts is not yet one that works.".to_owned(),
            minutes: Some(30),
            steps,
        }
    }

    fn plain_open_section(&self) -> Section {
        if self.options.rehearsal {
            let mut steps = vec![Step::Text("Stop the application.".to_owned())];
            steps.extend(self.drop_databases());
            steps.push(Step::Text(
                "Delete what was unpacked. Write down the date, what was restored and to where, \
                 how long each section took, and what is to be mended."
                    .to_owned(),
            ));
            return Section {
                number: 0,
                stage: Stage::Open,
                title: "Clear the rehearsal away".to_owned(),
                why: "A copy that is forgotten is a leak.".to_owned(),
                minutes: Some(10),
                steps,
            };
        }
        let steps = [
            "Point DNS at the new server and let users in.",
            "Take a full backup of every database and pack a new archive now: the chains of the \
             old one end here.",
            "Delete scripts with passwords, and what was unpacked to RESTORE.",
        ];
        Section {
            number: 0,
            stage: Stage::Open,
            title: "Open it, and take a new backup".to_owned(),
            why: "Until the new backup is taken, nothing protects what users do now.".to_owned(),
            minutes: Some(20),
            steps: steps.map(|line| Step::Text(line.to_owned())).to_vec(),
        }
    }
}
