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
