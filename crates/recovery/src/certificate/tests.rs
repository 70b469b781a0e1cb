use super::*;
use proptest::collection;
use proptest::prelude::*;

/// Made-up certificates: see the README beside them.
const CER: &[u8] = include_bytes!("../../tests/data/certificate/backup.cer");
const EC: &[u8] = include_bytes!("../../tests/data/certificate/ec.cer");

fn certificate(bytes: &[u8]) -> Certificate {
    match CertificateFile::decode(bytes) {
        Ok(CertificateFile::Certificate(certificate)) => certificate,
        other => panic!("{other:?}"),
    }
}

fn private_key(bytes: &[u8]) -> Result<PrivateKey, NotACertificate> {
    PrivateKey::decode(bytes)
}

/// A PVK file with this modulus, big-endian, and no key.
fn pvk(modulus: &[u8], exponent: u32, is_encrypted: bool) -> Vec<u8> {
    let mut blob = vec![7, 2, 0, 0, 0, 0xA4, 0, 0];
    blob.extend(b"RSA2");
    blob.extend((modulus.len() as u32 * 8).to_le_bytes());
    blob.extend(exponent.to_le_bytes());
    blob.extend(modulus.iter().rev());
    blob.resize(20 + modulus.len() * 9 / 2, 5);
    let salt_len = if is_encrypted {
        blob[8..].fill(0xEE);
        16
    } else {
        0
    };
    let mut file = vec![0x1E, 0xF1, 0xB5, 0xB0];
    for word in [0, 1, u32::from(is_encrypted), salt_len, blob.len() as u32] {
        file.extend(word.to_le_bytes());
    }
    file.extend(vec![0xAA; salt_len as usize]);
    file.extend(blob);
    file
}

/// What a PKCS #12 file begins with, up to `len` bytes.
fn pfx(len: usize) -> Vec<u8> {
    let mut file = vec![0x30, 0x82, 0, 0, 2, 1, 3, 0x30, 0x82, 0x09, 0xA5];
    file.extend([
        0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01,
    ]);
    file.resize(len, 0);
    file[2..4].copy_from_slice(&((len - 4) as u16).to_be_bytes());
    file
}

#[test]
fn a_certificate_tells_its_thumbprint_and_dates() {
    let certificate = certificate(CER);
    let hex: String = certificate
        .thumbprint
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    // As `openssl x509 -fingerprint -sha1` prints it.
    assert_eq!(hex, "6004C52C48CE0A87E53847423BED6A078B201487");
    assert_eq!(certificate.subject, "CN=TDE certificate of a test");
    assert_eq!(certificate.not_before.to_string(), "2026-11-20T16:53:17Z");
    assert_eq!(certificate.not_after.to_string(), "2036-11-17T16:53:17Z");
    assert_eq!(certificate.key_bits(), Some(2048));
    assert!(!certificate.is_expired(certificate.not_after));
    assert!(certificate.is_expired("2036-11-17T16:53:18Z".parse().unwrap()));
    assert!(certificate.is_expired("2026-01-01T00:00:00Z".parse().unwrap()));
}

#[test]
fn other_keys_than_rsa_have_no_length() {
    assert_eq!(certificate(EC).key_bits(), None);
}

#[test]
fn every_truncation_of_a_certificate_is_noticed() {
    for len in 5..CER.len() {
        let found = CertificateFile::decode(&CER[..len]);
        assert!(
            matches!(found, Err(NotACertificate::Truncated { .. })),
            "cut to {len}: {found:?}"
        );
    }
    for len in 0..5 {
        assert!(CertificateFile::decode(&CER[..len]).is_err());
    }
    let longer = [CER, b"\0"].concat();
    assert!(matches!(
        CertificateFile::decode(&longer),
        Err(NotACertificate::Damaged { .. })
    ));
}

#[test]
fn every_changed_byte_of_a_certificate_changes_its_thumbprint() {
    let thumbprint = certificate(CER).thumbprint;
    for offset in 0..CER.len() {
        let mut changed = CER.to_vec();
        changed[offset] ^= 1;
        if let Ok(CertificateFile::Certificate(found)) = CertificateFile::decode(&changed) {
            assert_ne!(found.thumbprint, thumbprint);
        }
    }
}

#[test]
fn text_is_not_taken_for_a_certificate() {
    let pem = b"-----BEGIN CERTIFICATE-----\nMIIB\n";
    assert_eq!(CertificateFile::decode(pem), Err(NotACertificate::Pem));
    assert_eq!(
        CertificateFile::decode(b"hello"),
        Err(NotACertificate::Other)
    );
    assert_eq!(CertificateFile::decode(b""), Err(NotACertificate::Other));
    let long = vec![0x30; MAX_LEN + 1];
    assert!(matches!(
        CertificateFile::decode(&long),
        Err(NotACertificate::TooLong { .. })
    ));
}

#[test]
fn a_clear_key_is_held_against_its_certificate() {
    let certificate = certificate(CER);
    let modulus = certificate.modulus.clone().unwrap();
    let key = private_key(&pvk(&modulus, 65_537, false)).unwrap();
    assert_eq!(
        (key.is_encrypted, key.bits, key.public_exponent),
        (false, 2048, Some(65_537))
    );
    assert_eq!(key.pairing(&certificate), Pairing::Same);
    let mut other = modulus.clone();
    other[100] ^= 1;
    for file in [
        pvk(&other, 65_537, false),
        pvk(&modulus, 3, false),
        pvk(&modulus[..128], 65_537, false),
    ] {
        assert_eq!(
            private_key(&file).unwrap().pairing(&certificate),
            Pairing::Different
        );
    }
}

#[test]
fn an_encrypted_key_can_be_that_of_a_certificate_of_its_length() {
    let certificate = certificate(CER);
    let modulus = certificate.modulus.clone().unwrap();
    let key = private_key(&pvk(&modulus, 65_537, true)).unwrap();
    assert_eq!(
        (key.is_encrypted, key.bits, key.public_exponent),
        (true, 2048, None)
    );
    assert_eq!(key.pairing(&certificate), Pairing::Possible);
    let short = private_key(&pvk(&modulus[..128], 65_537, true)).unwrap();
    assert_eq!(short.pairing(&certificate), Pairing::Different);
    assert_eq!(
        key.pairing(&super::tests::certificate(EC)),
        Pairing::Different
    );
}

#[test]
fn every_truncation_of_a_key_is_noticed() {
    let modulus = certificate(CER).modulus.unwrap();
    for file in [pvk(&modulus, 65_537, false), pvk(&modulus, 65_537, true)] {
        for len in 4..file.len() {
            let found = private_key(&file[..len]);
            assert!(
                matches!(found, Err(NotACertificate::Truncated { .. })),
                "cut to {len}"
            );
        }
        assert!(private_key(&[&file[..], b"x"].concat()).is_err());
    }
}

#[test]
fn headers_of_keys_that_cannot_be_are_refused() {
    let file = pvk(&certificate(CER).modulus.unwrap(), 65_537, false);
    // Encryption, salt, blob type, algorithm, magic, length, top of the modulus.
    for offset in [12, 16, 24, 29, 32, 37] {
        let mut changed = file.clone();
        changed[offset] ^= 0x40;
        assert!(private_key(&changed).is_err(), "byte {offset}");
    }
}

#[test]
fn files_with_both_are_told_and_seen_to_be_cut() {
    assert_eq!(
        CertificateFile::decode(&pfx(2000)),
        Ok(CertificateFile::Pfx)
    );
    let cut = CertificateFile::decode(&pfx(2000)[..1999]);
    assert!(matches!(cut, Err(NotACertificate::Truncated { .. })));
}

/// Places in a file, and what stands there instead.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes in collection::vec(any::<u8>(), 0..300), start in 0..4_usize) {
        let pvk: &[u8] = &[0x1E, 0xF1, 0xB5, 0xB0];
        let starts = [b"", b"\x30\x82".as_slice(), pvk, b"\x30\x03\x02\x01\x03"];
        bytes.splice(0..0, starts[start].iter().copied());
        prop_assert!(CertificateFile::decode(&bytes).is_err());
    }

    #[test]
    fn no_changes_panic(changes in changes()) {
        for whole in [CER.to_vec(), pvk(&[0x99; 128], 3, false), pfx(100)] {
            let mut bytes = whole;
            for (index, value) in &changes {
                let offset = index.index(bytes.len());
                bytes[offset] = *value;
            }
            let _ = CertificateFile::decode(&bytes);
        }
    }
}
