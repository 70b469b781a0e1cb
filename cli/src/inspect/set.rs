//! One backup set in words.

use mssql_backup::check::{CheckedSet, LogSummary};
use mssql_backup::set::{
    BackupSet, BackupType, DatabaseFile, FileType, Flags, Header, RecoveryModel, product,
};

use super::text::{Lines, date, duration, exact_size, named, zone};
use crate::output::{count, size};

/// Files that are told in words; JSON has all.
const MAX_FILES: usize = 50;

/// Tells a set.
pub(super) fn tell(checked: &CheckedSet, lines: Lines<'_>) {
    let set = &checked.set;
    let header = &set.header;
    lines.wrapped(&format!("set {}", header.position), &title(header));
    lines.maybe("name", header.backup_name.as_deref().map(named));
    lines.maybe(
        "description",
        header.backup_description.as_deref().map(named),
    );
    tell_times(set, lines);
    lines.line("size", &sizes(header));
    lines.wrapped("server", &server(header));
    lines.line("recovery", &recovery(header));
    lines.maybe("flags", flags(header));
    tell_place_in_history(set, lines);
    for file in set.files.iter().take(MAX_FILES) {
        tell_file(file, lines);
    }
    if set.files.len() > MAX_FILES {
        lines.line(
            "",
            &format!("and {} more files", set.files.len() - MAX_FILES),
        );
    }
    if let Some(log) = &checked.log {
        tell_log(log, set, lines);
    }
}

fn title(header: &Header) -> String {
    let kind = match header.backup_type {
        Some(BackupType::Full) => "full backup",
        Some(BackupType::Log) => "log backup",
        Some(BackupType::File) => "backup of files or filegroups",
        Some(BackupType::Differential) => "differential backup",
        Some(BackupType::FileDifferential) => "differential backup of files",
        Some(BackupType::Partial) => "partial backup",
        Some(BackupType::PartialDifferential) => "partial differential backup",
        _ => "backup of an unknown type",
    };
    match &header.database_name {
        Some(name) => format!("{kind} of database {}", named(name)),
        None => kind.to_owned(),
    }
}

fn tell_times(set: &BackupSet, lines: Lines<'_>) {
    let zone = zone(set.utc_offset());
    let (start, finish) = (set.header.backup_start_date, set.header.backup_finish_date);
    lines.maybe(
        "started",
        start.map(|start| format!("{}{zone}", date(start))),
    );
    let Some(finish) = finish else {
        return lines.line("finished", "never: it was cut off");
    };
    let took = start.map(|start| finish.duration_since(start).as_secs());
    let took = took.filter(|seconds| *seconds >= 0);
    let took = took.map(|seconds| format!(", after {}", duration(seconds)));
    lines.line(
        "finished",
        &format!("{}{zone}{}", date(finish), took.unwrap_or_default()),
    );
}

fn sizes(header: &Header) -> String {
    let size = exact_size(header.backup_size);
    match header.compressed_backup_size {
        Some(compressed) if compressed != header.backup_size => {
            format!("{size}; compressed {}", exact_size(compressed))
        }
        _ => size,
    }
}

/// Version and names of the server, and the version of the database if it is of another one.
fn server(header: &Header) -> String {
    let version = format!(
        "{}.{}.{}",
        header.software_version_major, header.software_version_minor, header.software_version_build
    );
    let product = match product(header.database_version) {
        Some(product) => format!("{product} ({version})"),
        None => format!("{version}, database version {}", header.database_version),
    };
    let instance = header.server_name.as_deref().map(named);
    let machine = header.machine_name.as_ref();
    let machine = machine.filter(|machine| Some(*machine) != header.server_name.as_ref());
    let machine = machine.map(|machine| format!(" on machine {}", named(machine)));
    let user = header.user_name.as_deref();
    let user = user.map(|user| format!(", backed up by {}", named(user)));
    let instance = instance.map(|name| format!(", instance {name}"));
    [Some(product), instance, machine, user]
        .into_iter()
        .flatten()
        .collect()
}

fn recovery(header: &Header) -> String {
    let note = match header.recovery_model {
        RecoveryModel::Simple => " (no log backups are possible)",
        _ => "",
    };
    let level = header.compatibility_level;
    format!(
        "{}{note}; compatibility level {level}",
        header.recovery_model
    )
}

/// The flags that are set, in words.
fn flags(header: &Header) -> Option<String> {
    let words = [
        (Flags::DAMAGED, "DAMAGED: continued after an error"),
        (Flags::COPY_ONLY, "copy-only"),
        (Flags::BACKUP_CHECKSUMS, "WITH CHECKSUM"),
        (
            Flags::BULK_LOGGED_DATA,
            "bulk-logged changes: no STOPAT inside",
        ),
        (Flags::TAIL_LOG, "tail of the log"),
        (Flags::FORCE_OFFLINE, "made with NORECOVERY"),
        (Flags::INCOMPLETE_METADATA, "incomplete metadata"),
        (Flags::SNAPSHOT, "snapshot"),
        (Flags::READ_ONLY, "read-only database"),
        (Flags::SINGLE_USER, "single-user database"),
    ];
    let set = words
        .iter()
        .filter(|(flag, _)| header.flags.contains(*flag));
    let mut set: Vec<_> = set.map(|(_, word)| *word).collect();
    if header.begins_log_chain == Some(true) {
        set.push("begins the log chain");
    }
    (!set.is_empty()).then(|| set.join(", "))
}

/// What connects the set with other backups of its database.
fn tell_place_in_history(set: &BackupSet, lines: Lines<'_>) {
    let header = &set.header;
    if let Some((first, last)) = header.first_lsn.zip(header.last_lsn) {
        lines.line("LSNs", &format!("{first} to {last}"));
    }
    lines.maybe(
        "checkpoint",
        header.checkpoint_lsn.map(|lsn| format!("LSN {lsn}")),
    );
    if let Some(base) = header.differential_base_guid {
        let lsn = header.differential_base_lsn;
        let lsn = lsn.map(|lsn| format!(", checkpoint LSN {lsn}"));
        lines.wrapped(
            "builds on",
            &format!("set {base}{}", lsn.unwrap_or_default()),
        );
    } else if let Some(full) = header.database_backup_lsn {
        lines.line(
            "full before",
            &format!("the one with checkpoint LSN {full}"),
        );
    }
    lines.maybe(
        "set GUID",
        header.backup_set_guid.map(|guid| guid.to_string()),
    );
    lines.maybe(
        "branch",
        header.recovery_fork_id.map(|guid| guid.to_string()),
    );
}

fn tell_file(file: &DatabaseFile, lines: Lines<'_>) {
    let kind = match file.file_type {
        FileType::Data => "data".to_owned(),
        FileType::Log => "log".to_owned(),
        FileType::Other(number) => format!("other ({number})"),
    };
    let group = file.file_group_name.as_deref();
    let group = group.map(|group| format!(" in filegroup {}", named(group)));
    let text = format!(
        "{kind} {}, {}{}",
        named(&file.logical_name),
        size(file.size),
        group.unwrap_or_default()
    );
    lines.line(&format!("file {}", file.file_id), &text);
    lines.line("", &named(&file.physical_name));
}

fn tell_log(log: &LogSummary, set: &BackupSet, lines: Lines<'_>) {
    let blocks = count(log.blocks, "block", "blocks");
    let records = count(log.records, "record", "records");
    let commits = count(log.commits, "commit", "commits");
    lines.line("log", &format!("{blocks}, {records}, {commits}"));
    if let Some((first, last)) = log.first_commit.zip(log.last_commit) {
        let zone = zone(set.utc_offset());
        lines.line("commits from", &format!("{}{zone}", date(first)));
        lines.line("to", &format!("{}{zone}", date(last)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_in_words() {
        let header = |flags: Flags| Header {
            flags,
            ..Header::default()
        };
        assert_eq!(flags(&header(Flags(0))), None);
        let both = Flags(Flags::COPY_ONLY.0 | Flags::BACKUP_CHECKSUMS.0);
        let told = flags(&header(both)).unwrap();
        assert_eq!(told, "copy-only, WITH CHECKSUM");
    }

    #[test]
    fn a_version_that_is_not_known_is_told_by_its_number() {
        let header = Header {
            database_version: 2000,
            software_version_major: 30,
            ..Header::default()
        };
        assert_eq!(server(&header), "30.0.0, database version 2000");
    }
}
