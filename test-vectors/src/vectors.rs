//! All vectors: for each a name, what a reader must say, and the program that makes it.

mod blocks;
mod catalogue;
mod check_pages;
mod checkpoints;
mod chunks;
mod entries;
mod envelope;
mod facts;
mod head;
mod parity;
mod records;
mod salvaged;
mod slots;
mod tail;
mod tree;

use crate::builder::{Builder, Built};
use bakpak_format::error::{Class, Structure};

/// A vector and its program.
pub struct Vector {
    /// Its name, which is also that of its file.
    pub name: &'static str,
    /// What a reader with the key says; `None` if it opens.
    pub expect: Option<(Class, Structure)>,
    /// What a reader without a key says; `None` if it is whole.
    pub keyless: Option<Class>,
    /// What opening the envelope gives, where that is the subject.
    pub envelope: Option<Result<(), (Class, Structure)>>,
    /// What unpacking does in spite of the fault that verifying finds.
    pub unpack: Unpack,
    /// FINAL says that sources are missing.
    pub incomplete: bool,
    /// FINAL says that it was not restorable when it was packed.
    pub not_restorable: bool,
    /// The labels of the rules that it shows.
    pub rules: &'static [&'static str],
    /// One sentence.
    pub why: &'static str,
    /// It is made by the tests and not stored, since it is large.
    pub recipe: bool,
    /// What is offered instead of the vectors' key file.
    pub secret: Option<Secret>,
    /// What is offered instead of the vectors' key file for envelopes.
    pub envelope_secret: Option<Secret>,
    /// Changes a whole archive into the vector.
    pub program: fn(&mut Builder),
}

/// What unpacking does with an archive in which verifying finds a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpack {
    /// It refuses the archive.
    Refuses,
    /// It goes on, since what the fault hits is there twice.
    Opens,
    /// It may not look there.
    Either,
}

/// A secret that one vector asks for.
#[derive(Clone, Copy, Debug)]
pub enum Secret {
    /// The bytes of a key file.
    KeyFile([u8; 32]),
    /// A passphrase.
    Passphrase(&'static str),
}

/// What is wrong, and in which structure.
type Fault = (Class, Structure);
type Rules = &'static [&'static str];
type Program = fn(&mut Builder);

/// All vectors, by chapter.
pub fn all() -> Vec<Vector> {
    [
        head::vectors(),
        slots::vectors(),
        envelope::vectors(),
        blocks::vectors(),
        check_pages::vectors(),
        parity::vectors(),
        records::vectors(),
        chunks::vectors(),
        facts::vectors(),
        checkpoints::vectors(),
        entries::vectors(),
        catalogue::vectors(),
        tree::vectors(),
        tail::vectors(),
        salvaged::vectors(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Vector {
    /// Runs the program.
    pub fn build(&self) -> Built {
        let mut builder = Builder::new(self.name);
        (self.program)(&mut builder);
        builder.build()
    }

    /// Whether every reading of it is expected to succeed.
    pub fn is_whole(&self) -> bool {
        self.expect.is_none() && self.keyless.is_none() && !matches!(self.envelope, Some(Err(_)))
    }

    /// It is too large to be stored.
    fn recipe(self) -> Self {
        Self {
            recipe: true,
            ..self
        }
    }

    /// Sources are missing in it.
    fn incomplete(self) -> Self {
        Self {
            incomplete: true,
            ..self
        }
    }

    /// What is in it was not enough for a restore.
    fn not_restorable(self) -> Self {
        Self {
            not_restorable: true,
            ..self
        }
    }

    /// What the fault hits is there twice.
    fn unpacks(self) -> Self {
        let unpack = Unpack::Opens;
        Self { unpack, ..self }
    }

    /// Unpacking needs nothing of what the fault hits.
    fn may_unpack(self) -> Self {
        let unpack = Unpack::Either;
        Self { unpack, ..self }
    }

    /// It is read with this instead of the key file of all.
    fn with(self, secret: Secret) -> Self {
        let secret = Some(secret);
        Self { secret, ..self }
    }

    /// Its envelope opens, with the key file of all envelopes.
    fn envelope_opens(self) -> Self {
        let envelope = Some(Ok(()));
        Self { envelope, ..self }
    }

    /// Its envelope does not open.
    fn envelope_refused(self, fault: Fault) -> Self {
        let envelope = Some(Err(fault));
        Self { envelope, ..self }
    }

    /// Its envelope is opened with this.
    fn envelope_with(self, secret: Secret) -> Self {
        let envelope_secret = Some(secret);
        Self {
            envelope_secret,
            ..self
        }
    }
}

/// A vector that opens.
fn accepted(name: &'static str, rules: Rules, why: &'static str, program: Program) -> Vector {
    Vector {
        name,
        expect: None,
        keyless: None,
        envelope: None,
        unpack: Unpack::Refuses,
        incomplete: false,
        not_restorable: false,
        rules,
        why,
        recipe: false,
        secret: None,
        envelope_secret: None,
        program,
    }
}

/// A fault that shows without a key.
fn refused(
    name: &'static str,
    fault: Fault,
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Vector {
    Vector {
        expect: Some(fault),
        keyless: Some(fault.0),
        ..accepted(name, rules, why, program)
    }
}

/// A fault that only the key shows.
fn sealed(
    name: &'static str,
    fault: Fault,
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Vector {
    Vector {
        expect: Some(fault),
        ..accepted(name, rules, why, program)
    }
}
