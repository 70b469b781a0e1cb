//! Octopus: the program without a start, and the files in their places before the first one.

use super::document::{Section, Stage, Step};
use super::facts::{OctopusFacts, Part};
use super::shell::{Block, Word};
use super::{Target, Writer, words};
use crate::finding::quoted;
use crate::octopus::Folder;

/// How the folder that files are unpacked to first is named after the one they belong in: on the
/// same disk, so that moving them takes no time.
const STAGE: &str = ".bakpak-stage";

impl Writer<'_> {
    pub(super) fn octopus_sections(&self, octopus: &OctopusFacts) -> Vec<Section> {
        vec![
            self.binaries_section(),
            self.files_section(octopus),
            self.instance_section(octopus),
            self.start_section(),
            self.prove_section(octopus),
            self.open_section(octopus),
        ]
    }

    fn binaries_section(&self) -> Section {
        let steps = match self.options.target {
            Target::Windows => vec![
                self.lines(
                    &[
                        "$MSI = \"$INSTALLERS\\Octopus.$OCTOPUS_VERSION-x64.msi\"",
                        "$ARGUMENTS = '/i', \"`\"$MSI`\"\", '/quiet', 'RUNMANAGERONEXIT=no'",
                        "(Start-Process msiexec $ARGUMENTS -Wait -PassThru).ExitCode",
                        "& $OCTOPUS version",
                    ],
                    &[],
                ),
                Step::Check(
                    "The exit code is 0, the version is the one that was backed up, and no service \
                     of Octopus runs."
                        .to_owned(),
                ),
            ],
            Target::Docker => vec![
                self.lines(&[], &["docker pull \"$IMAGE:$OCTOPUS_VERSION\""]),
                Step::Check("The image is there. It is not started yet.".to_owned()),
            ],
        };
        Section {
            number: 0,
            stage: Stage::Binaries,
            title: "Octopus of the same version, not started".to_owned(),
            why:
                "A newer one would change the database, an older one refuses it. Upgrade when all \
                  is proved."
                    .to_owned(),
            minutes: Some(10),
            steps,
        }
    }

    fn files_section(&self, octopus: &OctopusFacts) -> Section {
        let mut steps = Vec::new();
        if octopus.folders.is_empty() {
            steps.push(Step::Warning(
                "The archive holds none of Octopus' folders. Find Packages, Artifacts, TaskLogs \
                 and EventExports elsewhere and put them in place before Octopus starts: packages \
                 that are missing at the first start vanish from releases."
                    .to_owned(),
            ));
        } else {
            steps.extend(self.unpack_files(octopus));
        }
        if !octopus.not_to_restore.is_empty() {
            let names: Vec<String> = octopus
                .not_to_restore
                .iter()
                .map(|one| quoted(one))
                .collect();
            steps.push(Step::Warning(format!(
                "Do not restore {}: the configuration and keys of the old machine work on it only, \
                 and break the new instance. The commands here leave them out.",
                words::list(&names)
            )));
        }
        if self.options.target == Target::Windows && !octopus.folders.is_empty() {
            steps.push(Step::Text(
                "If the old server had one of these folders elsewhere than below its home, the \
                 instance is told of the new place in the next section."
                    .to_owned(),
            ));
        }
        steps.extend(self.unpack_the_rest());
        let len = octopus
            .folders
            .iter()
            .fold(0_u64, |sum, (_, part)| sum.saturating_add(part.len));
        Section {
            number: 0,
            stage: Stage::Files,
            title: "Files, before Octopus first starts".to_owned(),
            why: "At its first start Octopus looks for its packages, and drops from feed and \
                  releases what it does not find."
                .to_owned(),
            minutes: Some(words::minutes(len)),
            steps,
        }
    }

    /// What is in the archive besides, for whoever needs it.
    fn unpack_the_rest(&self) -> Option<Step> {
        let parts = self.facts.homes.iter().chain(&self.facts.attachments);
        let parts: Vec<&Part> = parts.collect();
        if parts.is_empty() {
            return None;
        }
        let mut unpack = vec![
            Word::Bare("unpack"),
            Word::Value("ARCHIVE"),
            Word::Bare("--to"),
            Word::After("RESTORE", "-files".to_owned()),
        ];
        unpack.extend(self.key());
        for part in parts {
            unpack.push(Word::Bare("--only"));
            unpack.push(Word::Quoted(words::pattern(&part.path)));
        }
        Some(self.command(|block| {
            block.raw("# What else is packed, to be put where it belongs:");
            block.bakpak(&unpack);
        }))
    }

    fn unpack_files(&self, octopus: &OctopusFacts) -> Vec<Step> {
        let root = self.root();
        let only = octopus.folders.iter().flat_map(|(_, part)| {
            let pattern = words::pattern(&part.path);
            [Word::Bare("--only"), Word::Quoted(pattern)]
        });
        let mut unpack = vec![
            Word::Bare("unpack"),
            Word::Value("ARCHIVE"),
            Word::Bare("--to"),
            Word::After(root, STAGE.to_owned()),
        ];
        unpack.extend(self.key());
        unpack.extend(only);
        let mut steps = vec![
            Step::Text(
                "They are unpacked beside the folder that they belong in, and moved when all are \
                 proved. A folder that is there already is an error: look what is in it first."
                    .to_owned(),
            ),
            self.command(|block| {
                block.bakpak(&unpack);
                block.raw(match self.options.target {
                    Target::Windows => {
                        "New-Item -ItemType Directory -Force $OCTOPUS_HOME | Out-Null"
                    }
                    Target::Docker => "mkdir -p \"$OCTOPUS_DATA\"",
                });
                for (folder, part) in &octopus.folders {
                    self.put_in_place(block, *folder, part);
                }
                if self.options.target == Target::Docker {
                    // A mount that is not there would be made by Docker, as root's.
                    for folder in Folder::ALL {
                        let path = self.below(root, mount(folder));
                        block.run(&[Word::Bare("mkdir -p"), path]);
                    }
                    block.raw("chown -R \"$IMAGE_OWNER\" \"$OCTOPUS_DATA\"");
                    block.raw("chmod -R g=u \"$OCTOPUS_DATA\"");
                }
            }),
        ];
        steps.push(Step::Text("Count what is there now:".to_owned()));
        steps.push(self.command(|block| {
            for (folder, _) in &octopus.folders {
                let path = self.below(root, self.folder_name(*folder));
                match self.options.target {
                    Target::Windows => {
                        block.run(&[
                            Word::Bare("(Get-ChildItem -Recurse -File -Force"),
                            path,
                            Word::Bare("| Measure-Object Length -Sum | Select-Object Count, Sum)"),
                        ]);
                    }
                    Target::Docker => {
                        block.run(&[
                            Word::Bare("find"),
                            path,
                            Word::Bare("-type f -printf . | wc -c"),
                        ]);
                    }
                }
            }
        }));
        steps.push(Step::Table(
            octopus
                .folders
                .iter()
                .map(|(folder, part)| {
                    let count = format!(
                        "{}, {} bytes in the archive",
                        words::files(part.file_count),
                        part.len
                    );
                    (folder.name().to_owned(), count)
                })
                .collect(),
        ));
        steps.push(Step::Check("The counts are equal.".to_owned()));
        steps
    }

    fn put_in_place(&self, block: &mut Block<'_>, folder: Folder, part: &Part) {
        let root = self.root();
        let place = self.below(root, self.folder_name(folder));
        let from = match self.options.target {
            Target::Windows => format!("{STAGE}\\{}", part.path.replace('/', "\\")),
            Target::Docker => format!("{STAGE}/{}", part.path),
        };
        let from = Word::After(root, from);
        match self.options.target {
            Target::Windows => {
                block.run(&[
                    Word::Bare("if (Test-Path -LiteralPath"),
                    place.clone(),
                    Word::Bare(") { throw 'STOP: it is there' }"),
                ]);
                block.run(&[
                    Word::Bare("Move-Item -LiteralPath"),
                    from,
                    Word::Bare("-Destination"),
                    place,
                ]);
            }
            Target::Docker => {
                block.run(&[
                    Word::Bare("if [ -e"),
                    place.clone(),
                    Word::Bare("]; then echo 'STOP: it is there' >&2; else"),
                ]);
                block.run(&[Word::Bare("  mv -T --"), from, place, Word::Bare("; fi")]);
            }
        }
    }

    /// The value that names the folder of Octopus' files.
    fn root(&self) -> &'static str {
        match self.options.target {
            Target::Windows => "OCTOPUS_HOME",
            Target::Docker => "OCTOPUS_DATA",
        }
    }

    fn folder_name(&self, folder: Folder) -> &'static str {
        match self.options.target {
            Target::Windows => folder.name(),
            Target::Docker => mount(folder),
        }
    }
}

/// The name that a folder is mounted under in the container.
pub(super) fn mount(folder: Folder) -> &'static str {
    match folder {
        Folder::TaskLogs => "taskLogs",
        Folder::Artifacts => "artifacts",
        Folder::Packages => "repository",
        Folder::EventExports => "eventExports",
    }
}
