//! Keys and streams to archives and back.
