//! Where `unpack` puts entries.

use bakpak_format::entry::{Entry, EntryPath};

/// Any error of a sink; it ends the unpacking and reaches the caller as it is.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Takes entries one after another, in canonical order. Everything it gets has authenticated, but
/// the archive is proved whole only when `unpack` returns.
pub trait Sink {
    /// An entry begins. One with the path of the entry before it supersedes that one.
    /// `size` is the logical size of a file; `None` where it shows only at the end (parts).
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn begin(&mut self, entry: &Entry, size: Option<u64>) -> Result<(), SinkError>;

    /// Content of the file begun, in ascending order of `offset`.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError>;

    /// A hole of the file begun.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn hole(&mut self, offset: u64, len: u64) -> Result<(), SinkError>;

    /// The entry begun is complete.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn end(&mut self) -> Result<(), SinkError>;

    /// An entry that had ended turns out to be unreadable: it must not be restored.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn discard(&mut self, path: &EntryPath) -> Result<(), SinkError>;
}
