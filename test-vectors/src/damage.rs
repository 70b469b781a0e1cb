//! Damage: what happens to a whole archive, and what repair and salvage must make of it (spec, chapter 14).
//!
//! A damage is a base, which is an accepted vector, and operations on its bytes; so the manifest
//! tells all of it, and nothing besides the base is stored.

mod cases;
mod map;
mod operation;
mod salvage;

pub use map::Map;
pub use operation::Operation;
pub use salvage::{Fate, Left, Salvage};

use crate::vectors::Vector;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Where the damages are told.
pub const MANIFEST: &str = "damage.toml";

const INTRODUCTION: &str = "\
# What repair and salvage must make of damaged archives (chapter 14). Made by
# `cargo run -p bakpak-vectors -- write`; not to be edited by hand.
#
# base: a vector of manifest.toml, stored or a recipe. operations: what happens to its bytes, one
# after the other; offsets are those of the bytes as the operations before have left them.
#   flip: bit (0 is the lowest) of the byte at offset    zero: len bytes from offset become 0
#   fill: len bytes from offset become byte              cut: len bytes from offset go
#   insert: len times byte come before offset            repeat: len bytes from offset come again behind them
#   swap: len bytes from offset with those from other    truncate: what is behind len bytes goes
#   append: len times byte come behind the end
# damaged_blake3: BLAKE3 of what the operations give.
# expect: \"repaired\": the mended archive is its base, of which root and file_blake3 are told;
#   \"lost\": not all can be mended, and lost_blocks data blocks cannot; \"refused\": nothing says
#   what archive it was; \"unmended\": one of both, since a program may not look for so much.
# salvage: what a salvage with the vectors' key file says: \"complete\", \"partial\" or \"refused\".
#   end_known: it is known how many blocks there were. whole: how many entries are.
#   unnamed: of how many others not even the name is left; only where FINAL is left.
#   entries: all others, in the order of the stream. size: of files, as far as it is known.
#   missing: [offset, len] of each range of the logical content of what is damaged or lost.
# rules: the labels that the damage shows. why: what is special about it.
";

/// A damage and what becomes of it.
pub struct Damage {
    /// Its name; no vector has it.
    pub name: &'static str,
    /// The accepted vector that is damaged.
    pub base: &'static str,
    /// What a repair says.
    pub expect: Expect,
    /// The labels of the rules that it shows.
    pub rules: &'static [&'static str],
    /// One sentence.
    pub why: &'static str,
    /// What is left of it for salvage; `None` where that is not asked.
    pub left: Option<Left>,
    /// What happens to the base.
    program: fn(&Map) -> Vec<Operation>,
}

/// What a repair says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The base is back.
    Repaired,
    /// Something is lost, and so many data blocks.
    Lost(usize),
    /// It is not known as an archive.
    Refused,
    /// One of both: so much is missing that a program may not look for it.
    Unmended,
}

/// All damages, by structure.
pub fn all() -> Vec<Damage> {
    cases::all()
}

/// The archives that are damaged, by the names of their vectors.
pub fn bases(vectors: &[Vector]) -> BTreeMap<&'static str, Vec<u8>> {
    let damages = all();
    let used = |vector: &&Vector| damages.iter().any(|damage| damage.base == vector.name);
    let used = vectors.iter().filter(used);
    used.map(|vector| (vector.name, vector.build().archive))
        .collect()
}

/// The manifest of all damages.
pub fn manifest(vectors: &[Vector]) -> String {
    let bases = bases(vectors);
    let mut text = INTRODUCTION.to_owned();
    for damage in all() {
        let vector = vectors.iter().find(|vector| vector.name == damage.base);
        let vector = vector.expect("a base is a vector");
        entry(&damage, vector, &bases[damage.base], &mut text).expect("a String takes all");
    }
    text
}

impl Damage {
    /// So much of it is left for salvage.
    fn salvaged(self, left: Left) -> Self {
        Self {
            left: Some(left),
            ..self
        }
    }

    /// All blocks but these open, or are mended.
    fn but(self, lost: impl IntoIterator<Item = u64>) -> Self {
        self.salvaged(Left::But(lost.into_iter().collect()))
    }

    /// What happens to its base.
    pub fn operations(&self, base: &[u8]) -> Vec<Operation> {
        (self.program)(&Map::of(base))
    }

    /// Damages its base.
    pub fn apply(&self, base: &[u8]) -> Vec<u8> {
        let mut bytes = base.to_vec();
        for operation in self.operations(base) {
            operation.apply(&mut bytes);
        }
        bytes
    }
}

fn entry(damage: &Damage, vector: &Vector, base: &[u8], text: &mut String) -> std::fmt::Result {
    let damaged = damage.apply(base);
    assert!(damaged != base, "{} changes nothing", damage.name);
    writeln!(text, "\n[[damage]]")?;
    writeln!(text, "name = \"{}\"", damage.name)?;
    writeln!(text, "base = \"{}\"", damage.base)?;
    writeln!(text, "operations = [")?;
    for operation in damage.operations(base) {
        writeln!(text, "    {operation},")?;
    }
    writeln!(text, "]")?;
    writeln!(text, "damaged_blake3 = \"{}\"", blake3::hash(&damaged))?;
    match damage.expect {
        Expect::Repaired => {
            writeln!(text, "expect = \"repaired\"")?;
            writeln!(text, "root = \"{}\"", Map::of(base).root())?;
            writeln!(text, "file_blake3 = \"{}\"", blake3::hash(base))?;
        }
        Expect::Lost(blocks) => {
            writeln!(text, "expect = \"lost\"")?;
            writeln!(text, "lost_blocks = {blocks}")?;
        }
        Expect::Refused => writeln!(text, "expect = \"refused\"")?,
        Expect::Unmended => writeln!(text, "expect = \"unmended\"")?,
    }
    if let Some(left) = &damage.left {
        match Salvage::of(vector, left) {
            Some(salvage) => write!(text, "{salvage}")?,
            None => writeln!(text, "salvage = \"refused\"")?,
        }
    }
    let rules: Vec<String> = damage.rules.iter().map(|r| format!("\"{r}\"")).collect();
    writeln!(text, "rules = [{}]", rules.join(", "))?;
    writeln!(text, "why = \"{}\"", damage.why)
}
