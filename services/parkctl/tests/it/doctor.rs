//! `parkctl doctor` where no central runs: files that are right, and each of them wrong in turn.

use std::path::{Path, PathBuf};

use crate::parkctl;

const CONFIG: &str = r#"{"this_central":{"id":"central-3","ip":"127.0.0.1","p2p_port":1,"api_port":2,"edges":[]},"peer_centrals":[]}"#;

/// An authority and the files of central-3.
fn site(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("parkctl-doctor-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config.json"), CONFIG).unwrap();
    for (authority, central, cert) in
        [("ca", "central-3", "cert"), ("ca", "central-4", "others"), ("stranger", "central-3", "foreign")]
    {
        let at = |file: String| dir.join(file).to_str().unwrap().to_owned();
        let (key, csr, pem) =
            (at(format!("{cert}-key.pem")), at(format!("{cert}.csr")), at(format!("{cert}.pem")));
        let ca = at(authority.to_owned());
        if !Path::new(&ca).exists() {
            assert_eq!(parkctl(&["ca", "init", &ca]).0, 0);
        }
        assert_eq!(parkctl(&["ca", "request", "--central", central, "--key", &key, "--out", &csr]).0, 0);
        assert_eq!(parkctl(&["ca", "approve", &ca, &csr, "--central", central, "--out", &pem]).0, 0);
    }
    dir
}

/// What it says about `what` with these files: verdict, and the line of advice.
fn says(dir: &Path, (cert, key, ca): (&str, &str, &str), what: &str) -> Vec<(String, String)> {
    let path = |file: &str| dir.join(file).to_str().unwrap().to_owned();
    let (_, out, err) = parkctl(&[
        "doctor",
        "--json",
        "--config",
        &path("config.json"),
        "--cert-file",
        &path(cert),
        "--key-file",
        &path(key),
        "--ca-file",
        &path(ca),
    ]);
    let all: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
    let of = |f: &serde_json::Value, key: &str| f[key].as_str().unwrap().to_owned();
    let named = all.as_array().unwrap().iter().filter(|f| f["what"] == what);
    named.map(|f| (of(f, "verdict"), format!("{} → {}", of(f, "detail"), of(f, "advice")))).collect()
}

#[test]
fn papers_that_belong_together_are_good_and_others_say_what_to_do() {
    let dir = site("papers");
    let good = ("cert.pem", "cert-key.pem", "ca/ca.pem");
    for what in ["certificate", "key", "authority", "configuration"] {
        let found = says(&dir, good, what);
        assert!(found.len() == 1 && found[0].0 == "ok", "{what}: {found:?}");
    }
    let cases = [
        (("others.pem", "others-key.pem", "ca/ca.pem"), "certificate", "the configuration is central-3's"),
        (
            ("foreign.pem", "foreign-key.pem", "ca/ca.pem"),
            "certificate",
            "peers with this authority do not take it",
        ),
        (("cert.pem", "others-key.pem", "ca/ca.pem"), "key", "not the certificate's"),
        (("cert.pem", "nowhere", "ca/ca.pem"), "key", "nowhere"),
        (("cert.pem", "cert-key.pem", "cert-key.pem"), "authority", "no certificate in it"),
    ];
    for (files, what, said) in cases {
        let bad: Vec<_> =
            says(&dir, files, what).into_iter().filter(|(verdict, _)| verdict == "BAD").collect();
        assert!(bad.len() == 1 && bad[0].1.contains(said), "{files:?}: {bad:?}");
        assert!(!bad[0].1.ends_with("→ "), "it says what to do: {bad:?}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_configuration_that_cannot_be_used_names_its_fault() {
    let dir = site("configuration");
    std::fs::write(dir.join("config.json"), CONFIG.replace(":1,", ":\"x\",")).unwrap();
    let found = says(&dir, ("cert.pem", "cert-key.pem", "ca/ca.pem"), "configuration");
    assert!(found[0].0 == "BAD" && found[0].1.contains("p2p_port"), "{found:?}");
    std::fs::remove_dir_all(&dir).unwrap();
}
