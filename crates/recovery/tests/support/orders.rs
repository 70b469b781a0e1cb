//! Orders of every shape, with names that are tame or hostile.

use jiff::civil::DateTime;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use recovery::sql::{
    Application, Certificate, CertificateFiles, Existing, FileMove, Login, LoginKind, PathStyle,
    Purpose, RestoreOrder, RestoreStep, StepKind,
};

/// What of an order is not a name.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    purpose: Purpose,
    application: Application,
    existing: Existing,
    path_style: PathStyle,
    has_differential: bool,
    log_count: usize,
    /// Of each step in turn.
    stripe_counts: Vec<usize>,
    file_numbers: Vec<u32>,
    has_checksums: Vec<bool>,
    are_applied_whole: Vec<bool>,
    stops_at: bool,
    /// With 40 a batch is longer than what SQL Server puts into a short text.
    file_count: usize,
    contained: bool,
    has_tail: bool,
    /// Whether each has its files with it.
    certificates: Vec<bool>,
    logins: Vec<LoginKind>,
}

/// More names than any order takes; each is used where it is another kind of thing.
pub(crate) const NAMES: usize = 16;

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let kinds = select(vec![
        (Purpose::Recovery, Existing::Refuse),
        (Purpose::Recovery, Existing::Replace),
        (Purpose::Rehearsal, Existing::Refuse),
    ]);
    let application = select(vec![Application::Octopus, Application::Other]);
    let style = select(vec![PathStyle::Windows, PathStyle::Linux]);
    let flags = any::<[bool; 4]>();
    let steps = (
        0..4_usize,
        select(vec![1, 2, 40_usize]),
        vec(1..4_usize, 5),
        vec(1..100_u32, 5),
        vec(any::<bool>(), 5),
        vec(any::<bool>(), 5),
    );
    let login = select(vec![
        LoginKind::Windows,
        LoginKind::Sql { sid: None },
        LoginKind::Sql {
            sid: Some([0xa5; 16]),
        },
    ]);
    let principals = (vec(any::<bool>(), 0..3), vec(login, 0..3));
    (kinds, application, style, flags, steps, principals).prop_map(
        |(kinds, application, path_style, flags, steps, principals)| Shape {
            purpose: kinds.0,
            existing: kinds.1,
            application,
            path_style,
            has_differential: flags[0],
            stops_at: flags[1] && steps.0 > 0,
            contained: flags[2],
            has_tail: flags[3],
            log_count: steps.0,
            file_count: steps.1,
            stripe_counts: steps.2,
            file_numbers: steps.3,
            has_checksums: steps.4,
            are_applied_whole: steps.5,
            certificates: principals.0,
            logins: principals.1,
        },
    )
}

/// Names that end literals, names, comments or batches, that clients obey, or that look like
/// something else than they are.
pub(crate) fn hostile_name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => select(PARTS.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[ -~]{1,8}",
    ];
    vec(part, 1..6).prop_map(|parts| {
        let name = parts.concat().replace('\0', "");
        match name.trim().is_empty() || name.encode_utf16().count() > 110 {
            true => "]'\nGO\n".to_owned(),
            false => name,
        }
    })
}

const PARTS: [&str; 36] = [
    "'",
    "''",
    "N'",
    "]",
    "]]",
    "[",
    "\"",
    "`",
    "\n",
    "\r",
    "\nGO\n",
    "\r\nGO 5\r\n",
    "GO",
    "\u{2028}GO\u{2028}",
    "\u{85}",
    ";DROP DATABASE x;",
    "'; SHUTDOWN; --",
    "]; SHUTDOWN; --",
    "--",
    "/*",
    "*/",
    "\n:r file\n",
    "\n!!program\n",
    "$(SQLCMDPASSWORD)",
    "$",
    "(",
    "{{LOGIN_PASSWORD_1}}",
    "{",
    "' + NCHAR(10) + N'",
    "@batch",
    "\\",
    "\t",
    "\u{e9}",
    "\u{1f600}",
    "\u{202e}",
    "\u{feff}",
];

/// Names in which nothing is to be quoted.
pub(crate) fn tame_names() -> Vec<String> {
    (0..NAMES).map(|number| format!("name{number}")).collect()
}

impl Shape {
    pub(crate) fn order(&self, names: &[String]) -> RestoreOrder {
        let folder = match self.path_style {
            PathStyle::Windows => "D:\\restore",
            PathStyle::Linux => "/restore",
        };
        let path = |name: &str, end: &str| self.path_style.join(folder, &format!("{name}{end}"));
        let file_move = |number: usize| FileMove {
            logical_name: names[3 + number % 2].clone(),
            target_path: path(&names[5 + number % 2], &format!("{number}.mdf")),
        };
        RestoreOrder {
            database: names[0].clone(),
            target_database: names[1].clone(),
            purpose: self.purpose,
            application: self.application,
            min_major_version: 15,
            database_version: 904,
            contained: self.contained,
            existing: self.existing,
            steps: self.steps(
                |number| path(&names[2], &format!("{number}.bak")),
                file_move,
            ),
            stop_at: self.stops_at.then(stop_at),
            certificates: self.certificates(names, path),
            logins: self.logins(names),
            tail_file: self.has_tail.then(|| path(&names[11], ".trn")),
            path_style: self.path_style,
            made_from: vec![names[12].clone(), names[13].clone()],
        }
    }

    fn steps(
        &self,
        path: impl Fn(usize) -> String,
        file_move: impl Fn(usize) -> FileMove,
    ) -> Vec<RestoreStep> {
        let mut kinds = vec![StepKind::Full];
        kinds.extend(self.has_differential.then_some(StepKind::Differential));
        kinds.extend(vec![StepKind::Log; self.log_count]);
        let last = kinds.len() - 1;
        let step = |(index, kind)| RestoreStep {
            kind,
            files: (0..self.stripe_counts[index]).map(&path).collect(),
            file_number: self.file_numbers[index],
            // The last step brings a file of its own.
            moves: match index {
                0 => (0..self.file_count).map(&file_move).collect(),
                _ if index == last => vec![file_move(self.file_count)],
                _ => Vec::new(),
            },
            has_checksums: self.has_checksums[index],
            is_applied_whole: self.are_applied_whole[index],
        };
        kinds.into_iter().enumerate().map(step).collect()
    }

    fn certificates(
        &self,
        names: &[String],
        path: impl Fn(&str, &str) -> String,
    ) -> Vec<Certificate> {
        let certificate = |(index, has_files): (usize, &bool)| Certificate {
            name: (index > 0).then(|| names[7].clone()),
            thumbprint: [0xc0 + index as u8; 20],
            files: has_files.then(|| CertificateFiles {
                certificate: path(&names[8], ".cer"),
                private_key: path(&names[8], ".pvk"),
            }),
        };
        let numbered = self.certificates.iter().enumerate();
        numbered.map(certificate).collect()
    }

    fn logins(&self, names: &[String]) -> Vec<Login> {
        let login = |(index, kind): (usize, &LoginKind)| Login {
            name: names[9 + index].clone(),
            kind: kind.clone(),
            is_db_owner: index == 0,
        };
        self.logins.iter().enumerate().map(login).collect()
    }
}

/// What `STOPAT` must say.
pub(crate) const STOP_AT: &str = "2024-06-15T14:30:00.003";

fn stop_at() -> DateTime {
    "2024-06-15T14:30:00.005".parse().unwrap()
}
