//! Reads the constants of the format crate, and computes small expressions over them.

use crate::rust_file::RustFile;
use std::collections::BTreeMap;

/// Where the constants stand.
pub const FOLDER: &str = "crates/bakpak-format/src";

/// How deep one constant may rest on others.
const MAX_DEPTH: usize = 16;

/// What a constant is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer of any type.
    Number(i128),
    /// A string or byte string.
    Text(String),
    /// `a..=b`.
    Range(i128, i128),
}

/// All constants by their path: `limits::MAX_SLOTS`, `slots::KeyFileSlot::LEN`.
#[derive(Default)]
pub struct Constants {
    expressions: BTreeMap<String, String>,
}

impl Constants {
    /// Collects the constants of source files; those of tests are left out.
    #[must_use]
    pub fn collect<'a>(files: impl IntoIterator<Item = &'a RustFile>) -> Self {
        let mut expressions = BTreeMap::new();
        for file in files {
            let module = file.path.split("/src/").nth(1).unwrap_or(&file.path);
            let module = module.trim_end_matches(".rs").replace('/', "::");
            collect_file(file, &module, &mut expressions);
        }
        Self { expressions }
    }

    /// The paths of all constants of a module.
    pub fn of_module<'a>(&'a self, module: &'a str) -> impl Iterator<Item = &'a str> {
        let paths = self.expressions.keys();
        paths
            .map(String::as_str)
            .filter(move |path| match path.strip_prefix(module) {
                Some(rest) => rest.starts_with("::"),
                None => false,
            })
    }

    /// The path of the constant that a name means, seen from a module.
    ///
    /// # Errors
    ///
    /// That there is none, or more than one.
    pub fn resolve(&self, name: &str, module: &str) -> Result<&str, String> {
        let name = name.trim_start_matches("crate::");
        let local = name.trim_start_matches("Self::");
        let mut scope = Some(module);
        while let Some(module) = scope {
            if let Some((path, _)) = self
                .expressions
                .get_key_value(&format!("{module}::{local}"))
            {
                return Ok(path);
            }
            scope = module.rsplit_once("::").map(|(outer, _)| outer);
        }
        let suffix = format!("::{name}");
        let fits = |path: &&String| path.as_str() == name || path.ends_with(&suffix);
        let mut found = self.expressions.keys().filter(fits);
        match (found.next(), found.next()) {
            (Some(path), None) => Ok(path),
            (Some(one), Some(two)) => Err(format!("'{name}' may be {one} or {two}")),
            (None, _) => Err(format!("there is no constant '{name}' in {FOLDER}")),
        }
    }

    /// Computes an expression over constants.
    ///
    /// # Errors
    ///
    /// What of it cannot be computed.
    pub fn compute(&self, expression: &str) -> Result<Value, String> {
        self.compute_in(expression, "", 0)
    }

    fn compute_in(&self, expression: &str, module: &str, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("'{expression}' goes in circles"));
        }
        let tokens = tokens(expression)?;
        let mut parser = Parser {
            constants: self,
            module,
            depth,
            tokens: &tokens,
        };
        let value = parser.range()?;
        match parser.tokens {
            [] => Ok(value),
            [token, ..] => Err(format!("'{token}' in '{expression}' is not understood")),
        }
    }

    fn named(&self, name: &str, module: &str, depth: usize) -> Result<Value, String> {
        for (limit, value) in [("u8", 8), ("u16", 16), ("u32", 32), ("u64", 64)] {
            if name == format!("{limit}::MAX") {
                return Ok(Value::Number((1 << value) - 1));
            }
        }
        let path = self.resolve(name, module)?;
        let expression = &self.expressions[path];
        let module = path.rsplit_once("::").map_or("", |(module, _)| module);
        self.compute_in(expression, module, depth + 1)
    }
}

/// `const NAME: TYPE = EXPRESSION;` over one or more lines; inside `impl Type` it is `Type::NAME`.
fn collect_file(file: &RustFile, module: &str, expressions: &mut BTreeMap<String, String>) {
    let mut owner = String::new();
    let mut pending = String::new();
    for line in file.outside_tests() {
        let text = line.uncommented.trim();
        if let Some(rest) = line.code.strip_prefix("impl ") {
            let name = rest.split([' ', '{', '<']).next().unwrap_or_default();
            owner = format!("{name}::");
        } else if line.code.starts_with('}') {
            owner.clear();
        }
        let declaration = ["pub ", "pub(crate) ", "pub(super) "]
            .iter()
            .find_map(|visibility| text.strip_prefix(visibility))
            .unwrap_or(text);
        if pending.is_empty() && !declaration.starts_with("const ") {
            continue;
        }
        pending = format!("{pending} {declaration}").trim_start().to_owned();
        if declaration.starts_with("const fn ") {
            pending.clear();
        }
        if !pending.ends_with(';') {
            continue;
        }
        let whole = std::mem::take(&mut pending);
        let whole = whole.trim_start_matches("const ").trim_end_matches(';');
        if let (Some((name, _)), Some((_, value))) =
            (whole.split_once(':'), whole.split_once(" = "))
            && name != "_"
        {
            expressions.insert(format!("{module}::{owner}{name}"), value.to_owned());
        }
    }
}

struct Parser<'a> {
    constants: &'a Constants,
    module: &'a str,
    depth: usize,
    tokens: &'a [String],
}

impl Parser<'_> {
    fn take(&mut self, wanted: &str) -> bool {
        let found = self.tokens.first().is_some_and(|token| token == wanted);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn next(&mut self) -> Result<String, String> {
        let (first, rest) = self
            .tokens
            .split_first()
            .ok_or("an expression ends too early")?;
        self.tokens = rest;
        Ok(first.clone())
    }

    fn range(&mut self) -> Result<Value, String> {
        let first = self.binary(0)?;
        if !self.take("..=") {
            return Ok(first);
        }
        Ok(Value::Range(number(first)?, number(self.binary(0)?)?))
    }

    /// Binary operators, weakest first.
    fn binary(&mut self, level: usize) -> Result<Value, String> {
        const LEVELS: [&[&str]; 3] = [&["<<"], &["+", "-"], &["*", "/"]];
        let Some(operators) = LEVELS.get(level) else {
            return self.cast();
        };
        let mut value = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let right = number(self.binary(level + 1)?)?;
            let left = number(value)?;
            let result = match *operator {
                "<<" => u32::try_from(right)
                    .ok()
                    .and_then(|bits| left.checked_shl(bits)),
                "+" => left.checked_add(right),
                "-" => left.checked_sub(right),
                "*" => left.checked_mul(right),
                _ => left.checked_div(right),
            };
            value = Value::Number(result.ok_or("a result is out of range")?);
        }
        Ok(value)
    }

    fn cast(&mut self) -> Result<Value, String> {
        let mut value = self.atom()?;
        loop {
            if self.take("as") {
                self.next()?;
            } else if self.take(".") {
                let part = self.next()?;
                if !(self.take("(") && self.take(")")) {
                    return Err(format!("'.{part}' is not understood"));
                }
                value = part_of(&value, &part)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn atom(&mut self) -> Result<Value, String> {
        if self.take("(") {
            let value = self.range()?;
            return if self.take(")") {
                Ok(value)
            } else {
                Err("a ')' is missing".to_owned())
            };
        }
        let token = self.next()?;
        if let Some(text) = token.strip_prefix('"') {
            return Ok(Value::Text(text.to_owned()));
        }
        if token.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Value::Number(literal(&token)?));
        }
        self.constants.named(&token, self.module, self.depth)
    }
}

fn part_of(value: &Value, part: &str) -> Result<Value, String> {
    match (value, part) {
        (Value::Text(text), "len") => Ok(Value::Number(text.len() as i128)),
        (Value::Range(start, _), "start") => Ok(Value::Number(*start)),
        (Value::Range(_, end), "end") => Ok(Value::Number(*end)),
        _ => Err(format!("'.{part}()' is not understood")),
    }
}

fn number(value: Value) -> Result<i128, String> {
    match value {
        Value::Number(number) => Ok(number),
        other => Err(format!("{other:?} is no number")),
    }
}

fn literal(token: &str) -> Result<i128, String> {
    let digits = token.replace('_', "");
    let digits = ["usize", "u8", "u16", "u32", "u64", "i64"]
        .iter()
        .find_map(|suffix| digits.strip_suffix(suffix))
        .unwrap_or(&digits);
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        _ => (digits, 10),
    };
    i128::from_str_radix(digits, radix).map_err(|_| format!("'{token}' is no number"))
}

/// Numbers, paths, operators; a string as its text behind one `"`.
fn tokens(expression: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let quoted = rest.strip_prefix("b\"").or_else(|| rest.strip_prefix('"'));
        let len = if let Some(quoted) = quoted {
            let end = quoted.find('"').ok_or("a string does not end")?;
            tokens.push(format!("\"{}", &quoted[..end]));
            rest.len() - quoted.len() + end + 1
        } else {
            let len = match first {
                _ if first.is_ascii_alphanumeric() || first == '_' => {
                    rest.find(word).unwrap_or(rest.len())
                }
                _ if rest.starts_with("..=") => 3,
                _ if rest.starts_with("<<") => 2,
                _ => first.len_utf8(),
            };
            tokens.push(rest[..len].to_owned());
            len
        };
        rest = rest[len..].trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
const KIB: usize = 1024;
pub const WIDE: u64 = 4 * KIB as u64;
pub const MAGIC: &[u8; 4] = b\"BPXX\"; // not \"this\"
pub const PASSES: std::ops::RangeInclusive<u64> = 2..=16;
pub const LIMIT: u64 = (1 << 60) - 1;
pub const LONG: usize =
    MAGIC.len() + 0x1_0;
const fn not(x: u8) -> u8 {
    x
}
const _: () = assert!(KIB == 1024);
impl Slot {
    pub const LEN: usize = HEAD + 124;
}
impl Other {
    pub const LEN: usize = 9;
    pub const TWICE: usize = Self::LEN * 2;
}
const HEAD: usize = 8;
const CIRCLE: usize = CIRCLE + 1;
#[cfg(test)]
mod tests {
    const HIDDEN: usize = 1;
}
";

    fn constants() -> Constants {
        let parse = |path| RustFile::parse(path, SOURCE);
        Constants::collect(&[parse("crates/f/src/a.rs")])
    }

    #[test]
    fn constants_are_computed_as_the_compiler_does() {
        let constants = constants();
        for (expression, value) in [
            ("a::WIDE", 4096),
            ("PASSES.start()", 2),
            ("PASSES.end() * 1024", 16_384),
            ("LIMIT + 1", 1 << 60),
            ("LONG", 20),
            ("Slot::LEN", 132),
            ("Other::TWICE", 18),
            ("1 + 2 * 3 - 8 / 4", 5),
            ("u32::MAX", 0xFFFF_FFFF),
        ] {
            assert_eq!(
                constants.compute(expression),
                Ok(Value::Number(value)),
                "{expression}"
            );
        }
        assert_eq!(
            constants.compute("MAGIC"),
            Ok(Value::Text("BPXX".to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_computed_is_an_error() {
        let constants = constants();
        for expression in [
            "MISSING",
            "LEN",
            "HIDDEN",
            "CIRCLE",
            "1 +",
            "MAGIC + 1",
            "1 / 0",
            "[",
        ] {
            assert!(constants.compute(expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn a_module_lists_its_constants() {
        let constants = constants();
        assert!(constants.of_module("a").any(|path| path == "a::Slot::LEN"));
        assert_eq!(constants.of_module("b").count(), 0);
    }
}
