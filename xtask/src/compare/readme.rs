//! The section of the README that a comparison writes.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

const README: &str = "README.md";
const BEGIN: &str = "<!-- compare:begin -->";
const END: &str = "<!-- compare:end -->";

/// Puts text between the markers.
///
/// # Errors
///
/// A README that has no markers, or cannot be written.
pub fn update(root: &Path, text: &str) -> Result<()> {
    let path = root.join(README);
    let readme = fs::read_to_string(&path).context(README)?;
    let readme = replaced(&readme, text)
        .with_context(|| format!("{README} has no '{BEGIN}' with '{END}' after it"))?;
    fs::write(&path, readme).context(README)
}

fn replaced(readme: &str, text: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n{}\n{END}{after}",
        text.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let readme = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replaced(&readme, "new\n").expect("both markers");
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new").as_deref(), Some(once.as_str()));
        assert_eq!(replaced("a\n", "new"), None);
    }

    #[test]
    fn the_readme_has_its_markers() {
        let readme = fs::read_to_string(crate::root().join(README)).expect("it is there");
        assert!(replaced(&readme, "").is_some());
    }
}
