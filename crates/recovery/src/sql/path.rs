//! Paths on the machine where SQL Server runs, which may not be the machine that writes scripts.

/// How paths are written on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathStyle {
    /// `D:\restore\a.bak` or `\\server\share\a.bak`.
    Windows,
    /// `/restore/a.bak`.
    Linux,
}

impl PathStyle {
    /// A file in a folder: one separator between the two.
    #[must_use]
    pub fn join(self, folder: &str, file: &str) -> String {
        let separator = self.separator();
        let file = match self {
            Self::Windows => file.replace('/', "\\"),
            Self::Linux => file.to_owned(),
        };
        let file = file.trim_start_matches(separator);
        let is_separator = |c| c == separator || (self == Self::Windows && c == '/');
        format!("{}{separator}{file}", folder.trim_end_matches(is_separator))
    }

    /// Whether a path says by itself where it leads. SQL Server takes another one from a folder of
    /// its own.
    #[must_use]
    pub fn is_absolute(self, path: &str) -> bool {
        match self {
            Self::Linux => path.starts_with('/'),
            Self::Windows => {
                let mut chars = path.chars();
                let drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
                    && chars.next() == Some(':')
                    && matches!(chars.next(), Some('\\' | '/'));
                drive || path.starts_with("\\\\")
            }
        }
    }

    /// Equal for two paths that lead to the same file, as far as their spelling tells.
    pub(crate) fn spelling(self, path: &str) -> String {
        match self {
            Self::Linux => path.to_owned(),
            Self::Windows => path.replace('/', "\\").to_lowercase(),
        }
    }

    fn separator(self) -> char {
        match self {
            Self::Windows => '\\',
            Self::Linux => '/',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_separator_stands_between_folder_and_file() {
        let windows = PathStyle::Windows;
        assert_eq!(windows.join("D:\\", "a.bak"), "D:\\a.bak");
        assert_eq!(windows.join("D:\\r", "sql/a.bak"), "D:\\r\\sql\\a.bak");
        assert_eq!(
            windows.join("\\\\s\\share/", "\\a.bak"),
            "\\\\s\\share\\a.bak"
        );
        let linux = PathStyle::Linux;
        assert_eq!(linux.join("/", "a.bak"), "/a.bak");
        assert_eq!(linux.join("/r/", "x\\a.bak"), "/r/x\\a.bak");
    }

    #[test]
    fn a_path_must_say_where_it_leads() {
        for path in ["D:\\a", "d:/a", "\\\\s\\share\\a"] {
            assert!(PathStyle::Windows.is_absolute(path), "{path}");
        }
        for path in ["D:a", "a", "\\a", "/a", "", "\u{e4}:\\a"] {
            assert!(!PathStyle::Windows.is_absolute(path), "{path}");
        }
        assert!(PathStyle::Linux.is_absolute("/a"));
        assert!(!PathStyle::Linux.is_absolute("D:\\a"));
    }
}
