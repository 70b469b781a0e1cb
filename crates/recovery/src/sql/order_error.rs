//! Why no scripts are written from an order.

use jiff::civil::DateTime;

/// Why no scripts are written from an order. Steps are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// Longer than SQL Server allows.
    #[error("name of a {what} has {found} UTF-16 units, at most {max} allowed: {name:?}")]
    NameTooLong {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Empty, or with a zero character, which SQL Server takes in no name.
    #[error("{name:?} is no name of a {what}")]
    NoName {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Longer than SQL Server allows.
    #[error("path has {found} UTF-16 units, at most {max} allowed: {path:?}")]
    PathTooLong {
        /// The path.
        path: String,
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Not absolute on the target, or with a zero character.
    #[error("not an absolute path on the target: {path:?}")]
    NoPath {
        /// The path.
        path: String,
    },
    /// The target's name is that of a database that SQL Server itself lives on.
    #[error("{name:?} is a system database and cannot be the target")]
    SystemDatabase {
        /// The name.
        name: String,
    },
    /// A rehearsal leaves every database in its place.
    #[error("a rehearsal must not replace a database")]
    RehearsalReplaces,
    /// There is nothing to restore.
    #[error("there is no backup set to restore")]
    NoSteps,
    /// One full backup comes first, then at most one differential, then logs.
    #[error("step {number} does not follow the one before: full, differential, logs")]
    StepOutOfOrder {
        /// The step.
        number: usize,
    },
    /// A set lies on 1 to 64 stripes.
    #[error("step {number} names {found} files, 1 to {max} allowed")]
    StripeCount {
        /// The step.
        number: usize,
        /// How many it names.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Sets in a file are counted from 1.
    #[error("step {number} names set 0 of its files")]
    NoFileNumber {
        /// The step.
        number: usize,
    },
    /// Only restoring the log can stop at a time.
    #[error("a time to stop at needs a log backup to stop in")]
    StopAtWithoutLog,
    /// SQL Server's `datetime` starts with 1753.
    #[error("cannot stop at {stop_at}: years 1753 to 9999 only")]
    StopAtOutOfRange {
        /// The time.
        stop_at: DateTime,
    },
    /// Without new places the files would go to those of the old server.
    #[error("no file of the database has a place on the target")]
    NoMoves,
    /// Two files of the database cannot lie in one place.
    #[error("two files of the database go to {path:?}")]
    TwoFilesInOnePlace {
        /// The place.
        path: String,
    },
    /// More than scripts are written for.
    #[error("{found} {what}, at most {max} allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        max: usize,
    },
}
