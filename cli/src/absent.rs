//! What an archive does not hold, in words: sources that could not be read when it was packed.

use bakpak_codec::error::Missing;
use bakpak_codec::unpack::UnpackReport;

use crate::output::event::Event;
use crate::output::{Output, count};

/// Tells all that is not in what was read, entries that were begun and broke off included.
pub(crate) fn tell(report: &UnpackReport, output: &Output) {
    tell_missing(&report.missing, output);
    tell_changed(report.changed, output);
    for path in &report.discarded {
        let text = format!("'{path}' is not restored: it could not be read when it was packed");
        output.warn(None, Some(path), &text);
    }
}

/// Tells that files changed while they were packed: what is there of them may be of no use.
pub(crate) fn tell_changed(changed: u64, output: &Output) {
    if changed > 0 {
        let files = count(changed, "file", "files");
        let text = format!("{files} changed while packed: `bakpak list --long` marks them");
        output.warn(Some("BP112"), None, &text);
    }
}

/// Tells the sources that were left out.
pub(crate) fn tell_missing(missing: &[Missing], output: &Output) {
    for Missing { path, reason } in missing {
        let text = format!("'{path}' is not in the archive: {reason}");
        output.warn(None, Some(path), &text);
        output.event(&Event::Missing {
            path: path.into(),
            reason: reason.clone(),
        });
    }
}
