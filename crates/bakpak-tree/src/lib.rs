//! Directories to entries and back.
