//! Where each file of a database goes on the target: a folder, and a name that is free in it.

use std::collections::{BTreeMap, BTreeSet};

use mssql_backup::set::{DatabaseFile, FileType};

use super::OrderOptions;
use crate::sql::PathStyle;

/// Where SQL Server on Linux keeps databases unless it is told otherwise.
const LINUX_FOLDER: &str = "/var/opt/mssql/data";

/// Gives out places, each of them once.
pub(super) struct Places<'a> {
    options: &'a OrderOptions,
    prefix: Option<&'a str>,
    taken: BTreeSet<String>,
    /// The last number put behind a name that several files have.
    numbers: BTreeMap<String, u64>,
}

impl<'a> Places<'a> {
    pub(super) fn new(options: &'a OrderOptions, prefix: Option<&'a str>) -> Self {
        Self {
            options,
            prefix,
            taken: BTreeSet::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// The path of a file on the target. None if no folder is known for it.
    pub(super) fn place(&mut self, file: &DatabaseFile) -> Option<String> {
        let style = self.options.path_style;
        let folder = folder(file, self.options)?;
        let name = file_name(file, style);
        let name = match self.prefix {
            Some(prefix) => format!("{}_{name}", plain(prefix, style)),
            None => name,
        };
        let mut path = style.join(&folder, &name);
        let wanted = style.spelling(&path);
        while !self.taken.insert(style.spelling(&path)) {
            let number = self.numbers.entry(wanted.clone()).or_insert(1);
            *number += 1;
            path = style.join(&folder, &numbered(&name, *number));
        }
        Some(path)
    }
}

fn folder(file: &DatabaseFile, options: &OrderOptions) -> Option<String> {
    let named = match file.file_type {
        FileType::Log => options.move_log.as_ref().or(options.move_data.as_ref()),
        // A file stream's container is a folder, and goes where data goes.
        FileType::Data | FileType::Other(_) => options.move_data.as_ref(),
    };
    if let Some(named) = named {
        return Some(named.clone());
    }
    let old = &file.physical_name;
    let is_separator = |c| c == '/' || (options.path_style == PathStyle::Windows && c == '\\');
    let end = old.rfind(is_separator).map(|index| index + 1);
    let old = end.and_then(|end| old.get(..end));
    let old = old.filter(|folder| options.path_style.is_absolute(folder));
    match (old, options.path_style) {
        (Some(folder), _) => Some(folder.to_owned()),
        (None, PathStyle::Linux) => Some(LINUX_FOLDER.to_owned()),
        (None, PathStyle::Windows) => None,
    }
}

/// The last part of the old path, of either kind, as far as the target takes it.
fn file_name(file: &DatabaseFile, style: PathStyle) -> String {
    let part = file.physical_name.rsplit(['/', '\\']).next();
    let names = [part.unwrap_or_default(), &file.logical_name];
    let mut names = names.map(|name| plain(name, style)).into_iter();
    names
        .find(|name| !matches!(name.as_str(), "" | "." | ".."))
        .unwrap_or_else(|| format!("file{}", file.file_id))
}

/// A name without what cannot stand in the name of a file on the target.
fn plain(name: &str, style: PathStyle) -> String {
    let is_refused = |c: char| match style {
        PathStyle::Linux => c == '/' || c.is_control(),
        PathStyle::Windows => c.is_control() || "/\\:*?\"<>|".contains(c),
    };
    let name = name.replace(is_refused, "_");
    match style {
        PathStyle::Linux => name,
        // Windows drops these, so that two names would be one.
        PathStyle::Windows => device_free(name.trim_end_matches(['.', ' '])),
    }
}

/// `NUL.mdf` is no file on Windows, but the device.
fn device_free(name: &str) -> String {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let is_port = |name: &str| {
        let digit = stem.strip_prefix(name).map(str::as_bytes);
        matches!(digit, Some([b'0'..=b'9']))
    };
    let is_device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL");
    match is_device || is_port("COM") || is_port("LPT") {
        true => format!("_{name}"),
        false => name.to_owned(),
    }
}

/// `data_2.mdf`
fn numbered(name: &str, number: u64) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}_{number}.{extension}"),
        _ => format!("{name}_{number}"),
    }
}
