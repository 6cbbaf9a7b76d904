//! `parkctl` as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod doctor;

use std::process::Command;

pub(crate) fn parkctl(args: &[&str]) -> (i32, String, String) {
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

/// A folder of its own; gone with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parkctl-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// Nobody but the owner may read it.
    fn is_private(&self, name: &str) -> bool {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(self.0.join(name)).unwrap().permissions().mode() & 0o077 == 0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn the_first_administrator_is_drawn_once_and_never_overwritten() {
    let dir = Folder::new("bootstrap");
    let file = dir.path("admin-token");
    let (code, out, _) = parkctl(&["token", "bootstrap", &file]);
    let token = dir.read("admin-token");
    assert!(code == 0 && token.starts_with("pmt_") && token.trim().len() == 79, "{token}");
    assert!(dir.is_private("admin-token") && !out.contains(token.trim()), "{out}");
    let (code, _, err) = parkctl(&["token", "bootstrap", &file]);
    assert!(code == 1 && err.contains("cannot be made"), "{err}");
    assert_eq!(dir.read("admin-token"), token);
}

#[test]
fn passwords_of_the_bus_are_drawn_for_every_user_and_fit_the_configuration() {
    let dir = Folder::new("bus");
    let (code, _, err) = parkctl(&["bus", "passwords", &dir.path("p")]);
    assert_eq!(code, 0, "{err}");
    let all = dir.read("p/nats-passwords.conf");
    for user in ["edge-gateway", "ledger", "mesh", "sync", "observer"] {
        let file = format!("p/nats-{user}");
        assert!(all.contains(&dir.read(&file)) && dir.is_private(&file), "{user}");
    }
    assert_eq!(parkctl(&["bus", "passwords", &dir.path("p")]).0, 1, "what is there stays");
    let (code, conf, _) = parkctl(&["bus", "conf"]);
    assert!(code == 0 && conf.contains("include \"nats-passwords.conf\""), "{conf}");
    assert!(conf.contains("$NATS_PASSWORD_EDGE_GATEWAY") && !conf.contains(&dir.read("p/nats-ledger")));
}

#[test]
fn a_request_is_made_at_the_site_and_approved_at_the_authority() {
    let dir = Folder::new("ca");
    let (ca, key, csr, cert) = (dir.path("ca"), dir.path("key.pem"), dir.path("r.csr"), dir.path("cert.pem"));
    let run = |args: &[&str]| {
        let (code, out, err) = parkctl(&[&["ca"], args].concat());
        (code, format!("{out}{err}"))
    };
    assert_eq!(run(&["init", &ca]).0, 0);
    assert!(dir.is_private("ca/ca-key.pem"));
    assert_eq!(run(&["init", &ca]).0, 1, "an authority is never overwritten");

    let ask = ["request", "--central", "central-3", "--key", &key, "--out", &csr];
    assert_eq!(run(&ask).0, 0);
    let secret = dir.read("key.pem");
    assert!(dir.is_private("key.pem") && !dir.read("r.csr").contains("PRIVATE"));
    let (code, said) = run(&["approve", &ca, &csr, "--central", "central-4", "--out", &cert]);
    assert!(code == 1 && said.contains("is from central-3, not from central-4"), "{said}");
    assert!(!dir.0.join("cert.pem").exists(), "nothing was signed");
    let approve = ["approve", &ca, &csr, "--central", "central-3", "--days", "20", "--out", &cert];
    assert_eq!(run(&approve).0, 0);
    let (_, said) = run(&["inspect", &cert]);
    assert!(
        said.contains("certificate of central-3")
            && (said.contains("(19 days)") || said.contains("(20 days)")),
        "{said}"
    );
    let print = said.split_whitespace().last().unwrap().to_owned();
    let (_, said) = run(&["inspect", &csr]);
    assert!(said.contains("request of central-3"), "{said}");

    let (code, said) = run(&["list", &ca]);
    assert!(code == 1 && said.contains("good") && said.contains(&print), "it ends within a month: {said}");
    // A renewal keeps the key where it is.
    assert_eq!(run(&ask).0, 0);
    assert_eq!(dir.read("key.pem"), secret);
    assert_eq!(run(&["approve", &ca, &csr, "--central", "central-3", "--out", &cert]).0, 0);
    assert_eq!(run(&["list", &ca]).0, 0, "the newest lasts");

    assert_eq!(run(&["revoke", &ca, "central-9", "--reason", "x"]).0, 1);
    assert_eq!(run(&["revoke", &ca, &print[..12], "--reason", "replaced\nin haste"]).0, 0);
    let denied = dir.read("ca/denied.txt");
    assert!(denied.contains(&print) && denied.contains("replaced in haste"), "{denied}");
    let list = identity::DenyList::parse(&denied).unwrap();
    assert_eq!(list.len(), 1);
    assert!(run(&["list", &ca]).1.contains("denied"));
    assert_eq!(run(&["revoke", &ca, "central-3", "--reason", "stolen"]).0, 0);
    assert_eq!(identity::DenyList::parse(&dir.read("ca/denied.txt")).unwrap().len(), 2, "nobody twice");
}
