//! How far a medium is looked at.

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Descriptors only: data and log are passed over.
    Headers,
    /// Everything.
    Everything,
}
