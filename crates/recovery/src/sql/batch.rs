//! A batch: lines of SQL from fixed templates, with names put in quoted.

use super::quote;

/// What a `{}` in a template stands for. Nothing that comes from outside gets into SQL otherwise:
/// templates are fixed.
#[derive(Clone, Copy)]
pub(super) enum Arg<'a> {
    /// A name, put in brackets.
    Name(&'a str),
    /// A literal.
    Text(&'a str),
    /// A binary constant.
    Hex(&'a [u8]),
    /// A number.
    Number(u64),
    /// A literal that is filled in later.
    Secret(&'a str),
}

/// What runs between two `GO`.
#[derive(Default)]
pub(super) struct Batch {
    lines: Vec<Vec<Piece>>,
}

enum Piece {
    Sql(String),
    Secret(String),
}

impl Batch {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub(super) fn line(&mut self, template: &'static str, args: &[Arg<'_>]) -> &mut Self {
        debug_assert_eq!(template.matches("{}").count(), args.len(), "{template}");
        let mut line = Vec::new();
        let mut sql = String::new();
        let mut args = args.iter();
        for (index, text) in template.split("{}").enumerate() {
            if index > 0 {
                match args.next() {
                    Some(Arg::Name(name)) => sql.push_str(&quote::identifier(name)),
                    Some(Arg::Text(text)) => sql.push_str(&quote::literal(text)),
                    Some(Arg::Hex(bytes)) => sql.push_str(&hex(bytes)),
                    Some(Arg::Number(number)) => sql.push_str(&number.to_string()),
                    Some(Arg::Secret(name)) => {
                        line.push(Piece::Sql(std::mem::take(&mut sql)));
                        line.push(Piece::Secret((*name).to_owned()));
                    }
                    None => {}
                }
            }
            sql.push_str(text);
        }
        line.push(Piece::Sql(sql));
        self.lines.push(line);
        self
    }

    /// The secrets that must be filled in.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flatten().filter_map(|piece| match piece {
            Piece::Secret(name) => Some(name.as_str()),
            Piece::Sql(_) => None,
        })
    }

    /// Writes the batch and its `GO`.
    ///
    /// Where clients would change a name in it ([`quote::is_plain`]), the batch puts itself together
    /// on the server and runs then: so every name can be written.
    pub(super) fn render(&self, out: &mut String) {
        let mut pieces = self.lines.iter().flatten();
        let is_plain = pieces.all(|piece| match piece {
            Piece::Sql(sql) => quote::is_plain(sql),
            Piece::Secret(_) => true,
        });
        match is_plain {
            true => self.render_plain(out),
            false => self.render_portable(out),
        }
        out.push_str("GO\n");
    }

    fn render_plain(&self, out: &mut String) {
        for line in &self.lines {
            for piece in line {
                match piece {
                    Piece::Sql(sql) => out.push_str(sql),
                    Piece::Secret(name) => out.push_str(&placeholder(name)),
                }
            }
            out.push('\n');
        }
    }

    fn render_portable(&self, out: &mut String) {
        out.push_str(PORTABLE);
        for line in &self.lines {
            out.push_str("SET @batch += ");
            for piece in line {
                match piece {
                    // A line ends with SQL.
                    Piece::Sql(sql) => out.push_str(&quote::expression(sql)),
                    // A literal inside a literal: its quotes are doubled on the server.
                    Piece::Secret(name) => {
                        let secret = placeholder(name);
                        out.push_str(" + N'N''' + REPLACE(");
                        out.push_str(&secret);
                        out.push_str(", N'''', N'''''') + N'''' + ");
                    }
                }
            }
            out.push_str(" + NCHAR(10);\n");
        }
        out.push_str("EXEC (@batch);\n");
    }
}

const PORTABLE: &str = "\
-- A name in this batch is not plain ASCII text: the batch is put together on the server, so that
-- no client reads the name in another way.
DECLARE @batch nvarchar(max) = N'';
";

fn placeholder(name: &str) -> String {
    format!("N'{{{{{name}}}}}'")
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("0x{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(batch: &Batch) -> String {
        let mut text = String::new();
        batch.render(&mut text);
        text
    }

    #[test]
    fn plain_names_leave_the_batch_as_it_is_written() {
        let mut batch = Batch::new();
        batch.line("USE {};", &[Arg::Name("a]b")]);
        batch.line(
            "SELECT {}, {}, {}, {};",
            &[
                Arg::Text("it's"),
                Arg::Hex(&[0, 0xab]),
                Arg::Number(7),
                Arg::Secret("KEY"),
            ],
        );
        assert_eq!(
            rendered(&batch),
            "USE [a]]b];\nSELECT N'it''s', 0x00AB, 7, N'{{KEY}}';\nGO\n"
        );
    }

    #[test]
    fn a_batch_with_a_line_break_in_a_name_is_put_together_on_the_server() {
        let mut batch = Batch::new();
        batch.line("USE {};", &[Arg::Name("a\nGO\n")]);
        batch.line("SELECT {};", &[Arg::Secret("KEY")]);
        let text = rendered(&batch);
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "SET @batch += N'USE [a' + NCHAR(10) + N'GO' + NCHAR(10) + N'];' + NCHAR(10);",
                "SET @batch += N'SELECT ' + N'N''' + REPLACE(N'{{KEY}}', N'''', N'''''') + N'''' \
                 + N';' + NCHAR(10);",
                "EXEC (@batch);",
                "GO",
            ]
        );
    }
}
