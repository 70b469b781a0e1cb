use std::collections::HashMap;

use super::*;

struct Place {
    dir: tempfile::TempDir,
    variables: HashMap<&'static str, OsString>,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            variables: HashMap::new(),
        }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.insert(name, value.into());
    }

    fn offered(&self, options: &KeyOptions, domain: Domain) -> anyhow::Result<Vec<Credential>> {
        let variable = |name: &str| self.variables.get(name).cloned();
        let surroundings = Surroundings {
            variable: &variable,
            has_terminal: false,
        };
        offered(options, domain, &surroundings, &Output::new(false, false))
    }

    fn passphrases(&self, options: &KeyOptions, domain: Domain) -> Vec<Passphrase> {
        let passphrase = |credential| match credential {
            Credential::Passphrase(passphrase) => passphrase,
            Credential::KeyFile(_) => panic!("a passphrase was expected"),
        };
        self.offered(options, domain)
            .unwrap()
            .into_iter()
            .map(passphrase)
            .collect()
    }
}

fn is(found: &[Passphrase], expected: &[&str]) -> bool {
    let expected = expected
        .iter()
        .map(|text| Passphrase::new(text.as_bytes().to_vec()));
    found.len() == expected.len() && expected.zip(found).all(|(one, other)| one == *other)
}

fn files(paths: &[PathBuf]) -> KeyOptions {
    KeyOptions {
        passphrase_file: paths.to_vec(),
        ..KeyOptions::default()
    }
}

#[test]
fn the_first_place_that_offers_anything_counts() {
    let mut place = Place::new();
    let none = KeyOptions::default();
    assert!(place.offered(&none, Domain::Data).unwrap().is_empty());

    place.file("bakpak.passphrase", b"systemd\n");
    place.set("CREDENTIALS_DIRECTORY", place.dir.path().to_owned());
    assert!(is(&place.passphrases(&none, Domain::Data), &["systemd"]));

    place.set("BAKPAK_PASSPHRASE", "variable");
    assert!(is(&place.passphrases(&none, Domain::Data), &["variable"]));

    let named = place.file("named", b"named by a variable\r\n");
    place.set("BAKPAK_PASSPHRASE_FILE", named);
    let both = place.passphrases(&none, Domain::Data);
    assert!(is(&both, &["named by a variable", "variable"]));

    let options = files(&[place.file("one", b"one"), place.file("two", b"two\n\n")]);
    assert!(is(
        &place.passphrases(&options, Domain::Data),
        &["one", "two\n"]
    ));
}

#[test]
fn the_envelope_has_places_of_its_own() {
    let mut place = Place::new();
    let none = KeyOptions::default();
    place.set("BAKPAK_PASSPHRASE", "data");
    assert!(place.offered(&none, Domain::Envelope).unwrap().is_empty());
    place.file("bakpak.envelope-passphrase", b"systemd");
    place.set("CREDENTIALS_DIRECTORY", place.dir.path().to_owned());
    assert!(is(
        &place.passphrases(&none, Domain::Envelope),
        &["systemd"]
    ));
    place.set("BAKPAK_ENVELOPE_PASSPHRASE", "variable");
    assert!(is(
        &place.passphrases(&none, Domain::Envelope),
        &["variable"]
    ));
}

#[test]
fn a_variable_that_is_empty_is_not_set() {
    let mut place = Place::new();
    place.set("BAKPAK_PASSPHRASE", "");
    assert!(
        place
            .offered(&KeyOptions::default(), Domain::Data)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_is_no_secret_is_refused() {
    let place = Place::new();
    let key = |name: &str, content: &[u8]| KeyOptions {
        key_file: vec![place.file(name, content)],
        ..KeyOptions::default()
    };
    let passphrase = |name: &str, content: &[u8]| files(&[place.file(name, content)]);
    let long = vec![b'x'; MAX_SECRET_LEN as usize + 1];
    for (options, why) in [
        (key("a", b"hunter2"), "is not a bakpak key file"),
        (
            key("b", b"BAKPAK-KEY-FILE-1QQ"),
            "its checksum does not hold",
        ),
        (passphrase("c", b"\n"), "is empty"),
        (passphrase("d", &long), "is longer than 65536 bytes"),
        (
            files(&[place.dir.path().join("e")]),
            "cannot read the secret",
        ),
    ] {
        let error = place
            .offered(&options, Domain::Data)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_descriptor_gives_a_passphrase() {
    use std::os::fd::AsRawFd;
    let place = Place::new();
    let file = File::open(place.file("a", b"from a descriptor\n")).unwrap();
    let number = u32::try_from(file.as_raw_fd()).unwrap();
    let options = KeyOptions {
        passphrase_fd: vec![number],
        ..KeyOptions::default()
    };
    assert!(is(
        &place.passphrases(&options, Domain::Data),
        &["from a descriptor"]
    ));
}

#[test]
fn packing_takes_one_key() {
    let place = Place::new();
    let options = files(&[place.file("one", b"one"), place.file("two", b"two")]);
    let surroundings = Surroundings {
        variable: &|_| None,
        has_terminal: false,
    };
    let output = Output::new(false, false);
    let pack = |options: &KeyOptions| {
        key_for_packing(options, Domain::Data, &surroundings, &output)
            .err()
            .unwrap()
            .to_string()
    };
    assert_eq!(pack(&options), "2 keys are given for the archive");
    assert!(pack(&KeyOptions::default()).contains("there is no terminal"));
}

#[test]
fn the_same_secret_is_recognised() {
    let passphrase = |text: &str| Credential::Passphrase(Passphrase::new(text.into()));
    let key = |byte| Credential::KeyFile(KeyFile::from_bytes([byte; 32]));
    assert!(passphrase("a").is_same(&passphrase("a")));
    assert!(!passphrase("a").is_same(&passphrase("b")));
    assert!(key(1).is_same(&key(1)));
    assert!(!key(1).is_same(&key(2)));
    assert!(!key(1).is_same(&passphrase("a")));
}

#[test]
fn a_passphrase_is_derived_once_for_an_archive_that_is_opened_twice() {
    use bakpak_codec::archive::Archive;
    use bakpak_codec::observer::Unobserved;
    use bakpak_codec::pack::{PackSettings, pack};

    let key = Credential::KeyFile(KeyFile::from_bytes([1; 32]));
    let mut file = tempfile::tempfile().unwrap();
    let settings = PackSettings::new(key.clone());
    pack(std::iter::empty(), settings, &mut file, &Unobserved).unwrap();
    let mut keys = Keys {
        domain: Domain::Data,
        credentials: vec![key],
        asks: false,
        tries_left: 0,
        opened: None,
    };
    Archive::open(&file, &mut keys).unwrap();
    // Nothing is left from which anything could be derived.
    keys.credentials.clear();
    Archive::open(&file, &mut keys).unwrap();
}
