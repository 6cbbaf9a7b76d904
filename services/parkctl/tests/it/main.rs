//! `parkctl` as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

fn parkctl(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_parkctl")).args(args).output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_good_configuration_is_summed_up_and_a_bad_one_names_its_field() {
    let dir = std::env::temp_dir().join(format!("parkctl-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("p2p_config.json");
    let path = file.to_str().unwrap();
    let good = r#"{"this_central":{"id":"central-1","ip":"127.0.0.1","p2p_port":9000,"api_port":8000,
        "edges":[{"id":"edge-1","type":"entry_only"}]},"peer_centrals":[]}"#;
    std::fs::write(&file, good).unwrap();
    let (code, out, _) = parkctl(&["config", path]);
    assert_eq!(code, 0);
    assert!(
        out.contains("good (central-1, 1 lanes, 0 peers)") && out.contains("edge-1 has no key_sha256"),
        "{out}"
    );
    std::fs::write(&file, good.replace("9000", "90000")).unwrap();
    let (code, _, err) = parkctl(&["config", path]);
    assert_eq!(code, 64);
    assert!(err.contains("/this_central/p2p_port"), "{err}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_key_and_its_hash_belong_together() {
    let (code, out, _) = parkctl(&["key"]);
    let words: Vec<&str> = out.split_whitespace().collect();
    let key = words[words.iter().position(|w| *w == "key").unwrap() + 1];
    let hash = words[words.iter().position(|w| *w == "key_sha256").unwrap() + 1];
    assert_eq!(code, 0);
    assert_eq!(wire::hash::Hash32::of(&[key.as_bytes()]).to_string(), hash);
}

#[test]
fn a_central_that_does_not_answer_is_an_error_of_one_line() {
    let token = std::env::temp_dir().join(format!("parkctl-token-{}", std::process::id()));
    std::fs::write(&token, "t").unwrap();
    let (code, _, err) =
        parkctl(&["status", "--url", "http://127.0.0.1:1", "--token-file", token.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(err.starts_with("parkctl: http://127.0.0.1:1 does not answer"), "{err}");
    std::fs::remove_file(&token).unwrap();
}

/// A bundle without events, sealed with the operator's key.
fn bundle() -> Vec<u8> {
    use wire::bundle::{Seal, Wanted, Writer, keyed};
    let maker = wire::id::CentralId::new("central-3").unwrap();
    let (manifest, digest) =
        Writer::default().manifest(maker, 1_793_000_000_000, Wanted::default(), Vec::new()).unwrap();
    let seal = Writer::seal(&Seal::OperatorKey { mac: keyed(b"operator", &digest) }).unwrap();
    [Writer::head(), manifest, seal].concat()
}

#[test]
fn a_bundle_is_shown_and_its_seal_checked_without_any_central() {
    let dir = std::env::temp_dir().join(format!("parkctl-bundle-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (file, key, other) = (dir.join("b.pmbundle"), dir.join("key"), dir.join("other"));
    std::fs::write(&file, bundle()).unwrap();
    std::fs::write(&key, "operator\n").unwrap();
    std::fs::write(&other, "another").unwrap();
    let show = |more: &[&str]| parkctl(&[&["bundle", "show", file.to_str().unwrap()], more].concat());
    let (code, out, err) = show(&[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("whole") && out.contains("made by central-3 at 2026-10-26"), "{out}");
    assert!(err.contains("--plate-key-file"), "{err}");
    let (code, _, err) = show(&["--plate-key-file", key.to_str().unwrap()]);
    assert!(code == 0 && err.contains("sealed with the operator's key"), "{err}");
    let (code, _, err) = show(&["--plate-key-file", other.to_str().unwrap()]);
    assert!(code == 1 && err.contains("not trusted"), "{err}");
    let mut damaged = bundle();
    damaged.truncate(damaged.len() - 3);
    std::fs::write(&file, damaged).unwrap();
    let (code, out, err) = show(&[]);
    assert!(code == 1 && out.is_empty() && err.contains("is cut short"), "{out}{err}");
    std::fs::remove_dir_all(&dir).unwrap();
}
