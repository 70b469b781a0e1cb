//! Tests of places and refusals; what an order means is tested in `tests/plan_to_script.rs`.

use mssql_backup::set::FileType;
use proptest::prelude::*;

use super::*;

fn file(logical_name: &str, physical_name: &str, file_type: FileType) -> DatabaseFile {
    DatabaseFile {
        logical_name: logical_name.to_owned(),
        physical_name: physical_name.to_owned(),
        file_type,
        file_group_name: None,
        size: 0,
        max_size: 0,
        file_id: 7,
        create_lsn: None,
        drop_lsn: None,
        unique_id: None,
        backup_size_in_bytes: 0,
        source_block_size: 0,
        file_group_id: 0,
        differential_base_lsn: None,
        differential_base_guid: None,
        differential_base_time: None,
        pages: [0; 2],
    }
}

fn windows() -> OrderOptions {
    OrderOptions::new(PathStyle::Windows, "D:\\restore")
}

fn linux() -> OrderOptions {
    OrderOptions::new(PathStyle::Linux, "/restore")
}

/// Where files go, those named `.ldf` as logs.
fn placed(options: &OrderOptions, prefix: Option<&str>, physical: &[&str]) -> Vec<Option<String>> {
    let mut places = Places::new(options, prefix);
    let kind = |name: &str| match name.ends_with(".ldf") {
        true => FileType::Log,
        false => FileType::Data,
    };
    let files = physical
        .iter()
        .map(|name| file("logical", name, kind(name)));
    files.map(|file| places.place(&file)).collect()
}

fn paths(options: &OrderOptions, physical: &[&str]) -> Vec<String> {
    let placed = placed(options, None, physical).into_iter();
    placed.map(|path| path.unwrap()).collect()
}

const OLD: [&str; 3] = ["E:\\data\\a.mdf", "E:\\data\\b.ndf", "L:/log\\a.ldf"];

#[test]
fn without_a_word_files_go_where_they_were() {
    assert_eq!(
        paths(&windows(), &OLD),
        ["E:\\data\\a.mdf", "E:\\data\\b.ndf", "L:/log\\a.ldf"]
    );
    assert_eq!(
        paths(&linux(), &["/data/a.mdf", "/a.ldf"]),
        ["/data/a.mdf", "/a.ldf"]
    );
}

#[test]
fn from_windows_to_linux_they_go_to_the_servers_own_folder() {
    let folder = "/var/opt/mssql/data";
    let expected = ["a.mdf", "b.ndf", "a.ldf"].map(|name| format!("{folder}/{name}"));
    assert_eq!(paths(&linux(), &OLD), expected);
}

#[test]
fn from_linux_to_windows_a_folder_must_be_named() {
    let old = ["/var/opt/mssql/data/a.mdf"];
    assert_eq!(placed(&windows(), None, &old), [None]);
    let named = OrderOptions {
        move_data: Some("D:\\data".to_owned()),
        ..windows()
    };
    assert_eq!(paths(&named, &old), ["D:\\data\\a.mdf"]);
}

#[test]
fn the_log_follows_the_data_unless_it_has_a_folder_of_its_own() {
    let mut named = OrderOptions {
        move_data: Some("D:\\new\\".to_owned()),
        ..windows()
    };
    assert_eq!(paths(&named, &OLD)[2], "D:\\new\\a.ldf");
    named.move_log = Some("L:\\new".to_owned());
    assert_eq!(
        paths(&named, &OLD),
        ["D:\\new\\a.mdf", "D:\\new\\b.ndf", "L:\\new\\a.ldf"]
    );
    named.move_data = None;
    assert_eq!(
        paths(&named, &OLD),
        ["E:\\data\\a.mdf", "E:\\data\\b.ndf", "L:\\new\\a.ldf"]
    );
}

#[test]
fn files_of_one_name_from_several_folders_do_not_meet() {
    let named = OrderOptions {
        move_data: Some("/new".to_owned()),
        ..linux()
    };
    let old = [
        "C:\\1\\a.ndf",
        "C:\\2\\a.ndf",
        "C:\\3\\a_2.ndf",
        "C:\\4\\A.ndf",
    ];
    assert_eq!(
        paths(&named, &old),
        ["/new/a.ndf", "/new/a_2.ndf", "/new/a_2_2.ndf", "/new/A.ndf"]
    );
    let named = OrderOptions {
        move_data: Some("D:\\new".to_owned()),
        ..windows()
    };
    assert_eq!(
        paths(&named, &old)[3],
        "D:\\new\\A_3.ndf",
        "Windows does not tell A from a"
    );
}

#[test]
fn under_another_name_the_files_have_other_names_too() {
    assert_eq!(
        placed(&windows(), Some("drill:1"), &["D:\\a.mdf"]),
        [Some("D:\\drill_1_a.mdf".to_owned())]
    );
}

#[test]
fn what_the_target_does_not_take_in_a_name_is_replaced() {
    let named = OrderOptions {
        move_data: Some("D:\\n".to_owned()),
        ..windows()
    };
    for (old, expected) in [
        ("/data/a?b.mdf", "a_b.mdf"),
        ("/data/NUL.mdf", "_NUL.mdf"),
        ("/data/com1", "_com1"),
        ("/data/a. ", "a"),
        ("/data/..", "logical"),
        ("/data/", "logical"),
    ] {
        assert_eq!(paths(&named, &[old]), [format!("D:\\n\\{expected}")]);
    }
    let mut nameless = file("\u{1}/..", "", FileType::Data);
    let mut places = Places::new(&named, None);
    assert_eq!(places.place(&nameless), Some("D:\\n\\__".to_owned()));
    nameless.logical_name = String::new();
    assert_eq!(places.place(&nameless), Some("D:\\n\\file7".to_owned()));
}

proptest! {
    /// However files are named, each lies in the folder asked for, in a place of its own.
    #[test]
    fn every_file_has_its_own_place_in_the_folder_asked_for(
        names in proptest::collection::vec("[aA.:/\\\\ \u{1}\u{e9}]{0,5}", 0..40),
        is_windows: bool,
    ) {
        let mut options = if is_windows { windows() } else { linux() };
        let folder = if is_windows { "D:\\new" } else { "/new" };
        options.move_data = Some(folder.to_owned());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut taken = std::collections::BTreeSet::new();
        for path in paths(&options, &names) {
            let separator = if is_windows { '\\' } else { '/' };
            let (parent, name) = path.rsplit_once(separator).unwrap();
            prop_assert_eq!(parent, folder);
            prop_assert!(!matches!(name, "" | "." | ".."));
            let is_clean = !name.contains(['/', '\u{1}']);
            prop_assert!(is_clean, "{}", path);
            prop_assert!(taken.insert(options.path_style.spelling(&path)), "{}", path);
        }
    }
}
