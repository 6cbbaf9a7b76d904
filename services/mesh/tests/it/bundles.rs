//! Whose seals are believed.

use wire::bundle::{Hex, Seal, keyed};
use wire::bus::bundle::{BundleTrust, SealedBy};
use wire::bus::query::MeshQuery;
use wire::hash::Hash32;
use wire::http::{PeerState, Problem};

use crate::support::{Authority, Central, Plan, eventually};

const IN_2020: i64 = 1_590_000_000_000;

fn manifest() -> Hash32 {
    Hash32::of(&[b"manifest"])
}

async fn seal(at: &Central) -> Result<Seal, Problem> {
    at.ask(&MeshQuery::SealBundle { manifest: manifest() }).await
}

async fn trust(at: &Central, exporter: &str, seal: &Seal) -> Result<BundleTrust, Problem> {
    let question = MeshQuery::TrustBundle {
        exporter: exporter.parse().unwrap(),
        created_at: IN_2020,
        manifest: manifest(),
        seal: Box::new(seal.clone()),
    };
    at.ask(&question).await
}

/// The reason of a refusal.
async fn refused(at: &Central, exporter: &str, seal: &Seal) -> String {
    let problem = trust(at, exporter, seal).await.unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (422, "bundle_not_trusted"));
    problem.detail
}

#[tokio::test]
async fn a_peers_signature_is_believed_and_a_strangers_is_not() {
    let ca = Authority::new();
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, Some(ca.issue(id)))));
    let (one, two) = (Central::start(one).await, Central::start(two).await);
    let by = SealedBy::Certificate;
    assert_eq!(two.ask(&MeshQuery::BundleSealer).await, Ok(by));
    let sealed = seal(&two).await.unwrap();
    assert_eq!(trust(&one, "central-2", &sealed).await, Ok(BundleTrust { by, ended: false }));
    assert_eq!(trust(&two, "central-2", &sealed).await, Ok(BundleTrust { by, ended: false }), "its own");
    // Said to come from another one.
    assert!(refused(&one, "central-1", &sealed).await.contains("central-2 signed it"));
    assert!(refused(&one, "central-9", &sealed).await.contains("central-9 is not a configured peer"));
    // One byte of the signature.
    let Seal::Certificate { scheme, mut signature, chain } = sealed.clone() else { panic!("{sealed:?}") };
    signature.0[9] ^= 1;
    let flipped = Seal::Certificate { scheme, signature, chain };
    assert!(refused(&one, "central-2", &flipped).await.contains("signature"));
    // Another operator's central of the same name.
    let stranger = Plan::new("central-2", Some(Authority::new().issue("central-2")));
    let stranger = Central::start(stranger).await;
    let foreign = seal(&stranger).await.unwrap();
    assert!(refused(&one, "central-2", &foreign).await.contains("certificate is not accepted"));
    // The operator's key says nothing about who it was.
    let keyed = Seal::OperatorKey { mac: keyed(b"operator", &manifest()) };
    assert!(refused(&one, "central-2", &keyed).await.contains("names no central"));
    let nothing = Seal::Certificate { scheme: 1027, signature: Hex(vec![]), chain: vec![] };
    assert!(refused(&one, "central-2", &nothing).await.contains("0 certificates"));
}

#[tokio::test]
async fn a_peer_that_was_removed_or_disabled_is_refused_with_the_reason() {
    let ca = Authority::new();
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, Some(ca.issue(id)))));
    let (one, two) = (Central::start(one).await, Central::start(two).await);
    let sealed = seal(&two).await.unwrap();
    one.edit_config(|c| c["peer_centrals"][0]["disabled"] = true.into());
    one.sees("central-2", PeerState::Disabled).await;
    assert!(refused(&one, "central-2", &sealed).await.contains("disabled peer"));
    one.edit_config(|c| c["peer_centrals"] = serde_json::json!([]));
    eventually("the peer is gone", || async {
        trust(&one, "central-2", &sealed).await.err().filter(|p| p.detail.contains("not a configured peer"))
    })
    .await;
}

#[tokio::test]
async fn an_ended_certificate_counts_for_what_was_made_in_its_time() {
    let ca = Authority::new();
    let one = Plan::new("central-1", Some(ca.issue("central-1"))).peer("central-2", 1);
    let one = Central::start(one).await;
    let old = Central::start(Plan::new("central-2", Some(ca.issue_expired("central-2")))).await;
    let sealed = seal(&old).await.unwrap();
    let believed = trust(&one, "central-2", &sealed).await;
    assert_eq!(believed, Ok(BundleTrust { by: SealedBy::Certificate, ended: true }));
}

#[tokio::test]
async fn without_certificates_the_operators_key_vouches() {
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, None)));
    let (one, two) = (Central::start(one).await, Central::start(two).await);
    let no_key = seal(&two).await.unwrap_err();
    assert_eq!((no_key.status, no_key.code.as_str()), (409, "cannot_seal_bundle"));
    for c in [&one, &two] {
        std::fs::write(c.folder.join("plate-key"), "operator\n").unwrap();
    }
    let by = SealedBy::OperatorKey;
    assert_eq!(two.ask(&MeshQuery::BundleSealer).await, Ok(by));
    let sealed = seal(&two).await.unwrap();
    assert_eq!(trust(&one, "central-2", &sealed).await, Ok(BundleTrust { by, ended: false }));
    let other = Seal::OperatorKey { mac: keyed(b"another operator", &manifest()) };
    assert!(refused(&one, "central-2", &other).await.contains("operator's key"));
    let signed = Central::start(Plan::new("central-2", Some(Authority::new().issue("central-2")))).await;
    let signed = seal(&signed).await.unwrap();
    assert!(refused(&one, "central-2", &signed).await.contains("no operator's CA"));
}
