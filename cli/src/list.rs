//! `bakpak list`.

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::catalogue::{Row, RowFlags, RowKind};

use crate::archive;
use crate::args::ListArguments;
use crate::exit::Exit;
use crate::output::event::{Event, JsonLink, ListedEntry};
use crate::output::{Output, count, escaped_bytes, hex, quoted, time};
use crate::prompt::Keys;
use crate::select::Selection;

/// So many entries without content are named besides; `--long` and JSON mark all.
const MAX_NAMED: u64 = 20;

/// Lists.
///
/// # Errors
///
/// The archive cannot be read, or a pattern matches nothing.
pub(crate) fn run(arguments: &ListArguments, output: &Output) -> anyhow::Result<Exit> {
    let mut selection = Selection::new(&arguments.patterns)?;
    let mut keys = Keys::of_data(&arguments.keys, output)?;
    let file = archive::open_file(&arguments.archive)?;
    let context = || format!("cannot list {}", quoted(&arguments.archive));
    let mut archive = Archive::open(&file, &mut keys).with_context(context)?;
    archive::tell_damage(archive.head(), output);
    if !selection.is_all() {
        for row in archive.rows() {
            selection.selects(&row.with_context(context)?.path);
        }
        selection.all_matched()?;
    }
    let is_incomplete = archive.totals().incomplete;
    let mut unreadable = 0;
    for row in archive.rows() {
        let row = row.with_context(context)?;
        if !selection.selects(&row.path) {
            continue;
        }
        if row.flags.contains(RowFlags::UNREADABLE) {
            unreadable += 1;
            tell_unreadable(&row, unreadable, output);
        }
        if arguments.null {
            output.write(row.path.as_bytes());
            output.write(b"\0");
        } else if arguments.long {
            output.line(long(&row));
        } else {
            output.line(&row.path);
        }
        if output.is_json() {
            output.event(&Event::Entry(listed(&row)));
        }
        if output.is_closed() {
            break;
        }
    }
    if unreadable > MAX_NAMED {
        let rest = count(unreadable - MAX_NAMED, "more entry", "more entries");
        output.warn(None, None, &format!("and {rest}: --long marks them"));
    }
    if is_incomplete {
        let text = "some sources could not be read when it was packed, and are not in the archive";
        output.warn(None, None, text);
        output.hint(&["`bakpak inspect ARCHIVE` with the key names them".to_owned()]);
    }
    Ok(Exit::DONE)
}

/// A name alone looks as if its content were there.
fn tell_unreadable(row: &Row, number: u64, output: &Output) {
    if number <= MAX_NAMED {
        let path = &row.path;
        let text = format!("'{path}' could not be read when packed: its content is not there");
        output.warn(None, Some(path), &text);
    }
}

/// `-rw-r----- 1000 1000 8388608 2026-10-17T08:30:00Z sql/a.bak`.
fn long(row: &Row) -> String {
    let time = time(row.mtime);
    // A year beyond 9999 or a fraction make it longer than this.
    let seconds = time.split('.').next().unwrap_or_default();
    let ending = if seconds.ends_with('Z') { "" } else { "Z" };
    let link = match row.kind {
        RowKind::Symlink => format!(" -> {}", escaped_bytes(&row.link)),
        RowKind::HardLink => format!(" link to {}", escaped_bytes(&row.link)),
        _ => String::new(),
    };
    let marks: String = flags(row).iter().map(|flag| format!(" [{flag}]")).collect();
    format!(
        "{}{} {:>5} {:>5} {:>12} {seconds}{ending} {}{link}{marks}",
        letter(row.kind),
        permissions(row.mode),
        row.uid,
        row.gid,
        row.size,
        row.path,
    )
}

fn listed(row: &Row) -> ListedEntry {
    let is_link = matches!(row.kind, RowKind::Symlink | RowKind::HardLink);
    ListedEntry {
        path: (&row.path).into(),
        kind: word(row.kind),
        size: row.size,
        mtime: time(row.mtime),
        mode: format!("{:04o}", row.mode),
        uid: row.uid,
        gid: row.gid,
        link: if is_link {
            row.link.as_slice().into()
        } else {
            JsonLink::default()
        },
        blake3: (row.kind == RowKind::File).then(|| hex(&row.content_hash.0)),
        flags: flags(row),
    }
}

fn letter(kind: RowKind) -> char {
    match kind {
        RowKind::File | RowKind::HardLink => '-',
        RowKind::Directory => 'd',
        RowKind::Symlink => 'l',
        RowKind::CharDevice => 'c',
        RowKind::BlockDevice => 'b',
        RowKind::Fifo => 'p',
    }
}

/// The kind as JSON and messages name it.
pub(crate) fn word(kind: RowKind) -> &'static str {
    match kind {
        RowKind::File => "file",
        RowKind::HardLink => "hard-link",
        RowKind::Directory => "directory",
        RowKind::Symlink => "symlink",
        RowKind::CharDevice => "char-device",
        RowKind::BlockDevice => "block-device",
        RowKind::Fifo => "fifo",
    }
}

/// What is worth saying about the entry beyond its kind.
fn flags(row: &Row) -> Vec<&'static str> {
    [
        (RowFlags::CHANGED, "changed"),
        (RowFlags::PARTED, "parted"),
        (RowFlags::LINKED, "linked"),
        (RowFlags::UNREADABLE, "unreadable"),
        (RowFlags::SPARSE, "sparse"),
    ]
    .into_iter()
    .filter(|(flag, _)| row.flags.contains(*flag))
    .map(|(_, word)| word)
    .collect()
}

/// `rwxr-x---`, with `s`, `S`, `t` and `T` as `ls` has them.
fn permissions(mode: u32) -> String {
    let mut text: Vec<char> = "rwxrwxrwx".chars().collect();
    for (index, letter) in text.iter_mut().enumerate() {
        if mode & (0o400 >> index) == 0 {
            *letter = '-';
        }
    }
    for (bit, index, with, without) in [
        (0o4000, 2, 's', 'S'),
        (0o2000, 5, 's', 'S'),
        (0o1000, 8, 't', 'T'),
    ] {
        if mode & bit != 0 {
            text[index] = if text[index] == 'x' { with } else { without };
        }
    }
    text.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_in_ls() {
        for (mode, text) in [
            (0o750, "rwxr-x---"),
            (0o000, "---------"),
            (0o4755, "rwsr-xr-x"),
            (0o2644, "rw-r-Sr--"),
            (0o1777, "rwxrwxrwt"),
            (0o7000, "--S--S--T"),
        ] {
            assert_eq!(permissions(mode), text);
        }
    }
}
