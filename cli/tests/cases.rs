//! One readable file for each case in `cmd/`: what is typed, what is said, the exit code.
//!
//! `TRYCMD=overwrite cargo test -p bakpak --test cases` writes what is said now.

#[test]
fn cases() {
    trycmd::TestCases::new()
        .env("COLUMNS", "80")
        .case("tests/cmd/*.md")
        .case("tests/cmd/*.toml");
}
