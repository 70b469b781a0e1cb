//! What `RESTORE LABELONLY` tells: the medium and its place in the media set.

use jiff::civil::DateTime;

use crate::guid::Guid;

/// The columns of `RESTORE LABELONLY` that stand in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Name given with `MEDIANAME`.
    pub media_name: Option<String>,
    /// The media set that this file belongs to. None where the file does not tell.
    pub media_set_id: Option<Guid>,
    /// How many families (stripes) the media set has: all are needed.
    pub family_count: u16,
    /// Which of them this file is, from 1 on.
    pub family_sequence_number: u16,
    /// Random number of this family.
    pub media_family_id: u32,
    /// Which medium of the family; 1 on disk.
    pub media_sequence_number: u16,
    /// Text given with `MEDIADESCRIPTION`.
    pub media_description: Option<String>,
    /// What wrote it: `Microsoft SQL Server`.
    pub software_name: Option<String>,
    /// Vendor of that software: 4608 is Microsoft.
    pub software_vendor_id: u16,
    /// When the medium was formatted, in the server's local time.
    pub media_date: Option<DateTime>,
    /// How many mirrors each family has.
    pub mirror_count: u16,
    /// Whether the backups are in compressed blocks.
    pub is_compressed: bool,
    /// Whether a media password protects it; a feature that is gone since SQL Server 2012.
    pub has_password: bool,
}
