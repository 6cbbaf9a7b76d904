//! Who is let in, and what the other is told.

use wire::http::PeerState;
use wire::mesh::Message;

use crate::support::{Authority, Central, FakePeer, Issued, Plan, event};

async fn refused(theirs: Issued, mine: Issued, reason_there: &str) {
    let [one, two] = Plan::mesh([Plan::new("central-1", Some(mine)), Plan::new("central-2", Some(theirs))]);
    let (one, two) = (Central::start(one).await, Central::start(two).await);
    let there = two.sees("central-1", PeerState::Refused).await;
    let said = there.last_error.unwrap();
    assert!(said.contains(reason_there), "{said}");
    one.sees("central-2", PeerState::Refused).await;
}

#[tokio::test]
async fn another_operators_certificate_is_refused() {
    refused(Authority::new().issue("central-2"), Authority::new().issue("central-1"), "tls").await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let ca = Authority::new();
    refused(ca.issue_expired("central-2"), ca.issue("central-1"), "CertificateExpired").await;
}

#[tokio::test]
async fn a_central_nobody_configured_is_told_so() {
    let ca = Authority::new();
    let one = Central::start(Plan::new("central-1", Some(ca.issue("central-1")))).await;
    let stranger = Plan::new("central-9", Some(ca.issue("central-9"))).peer("central-1", one.plan.port);
    let stranger = Central::start(stranger).await;
    let said = stranger.sees("central-1", PeerState::Refused).await.last_error.unwrap();
    assert!(said.contains("central-9 is not a configured peer"), "{said}");
}

#[tokio::test]
async fn a_hello_that_contradicts_the_certificate_is_refused_on_both_sides() {
    let ca = Authority::new();
    let plan = Plan::new("central-1", Some(ca.issue("central-1"))).peer("central-2", 1).peer("central-3", 1);
    let mut one = Central::start(plan).await;
    let mut liar = FakePeer::dial(one.plan.port, Some(&ca.issue("central-2"))).await;
    liar.send(&FakePeer::hello("central-3", "p")).await;
    let said = liar.receive().await;
    let reason = "HELLO says central-3, but the certificate names central-2";
    assert_eq!(said, Some(Message::Bye(reason.to_owned())));
    for id in ["central-2", "central-3"] {
        assert_ne!(one.peer(id).await.state, PeerState::Connected);
    }
    // The honest one is still welcome.
    let mut honest = FakePeer::link(one.plan.port, Some(&ca.issue("central-2")), "central-2", "p").await;
    one.sees("central-2", PeerState::Connected).await;
    honest.send(&Message::Events(vec![event(1)])).await;
    assert_eq!(one.take_events(1).await, [event(1)]);
}

#[tokio::test]
async fn a_certificate_is_replaced_without_dropping_links() {
    let ca = Authority::new();
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, Some(ca.issue(id)))));
    let (mut one, two) = (Central::start(one).await, Central::start(two).await);
    let before = one.sees("central-2", PeerState::Connected).await;
    two.sees("central-1", PeerState::Connected).await;
    // From now on, central-1 belongs to another operator: nobody new comes in, and the old link stays.
    let other = Authority::new();
    other.issue("central-1").write(&one.folder);
    let newcomer = other.issue("central-2");
    let link = crate::support::eventually("the new certificate is in force", || async {
        let port = one.plan.port;
        let tried = tokio::spawn({
            let newcomer = newcomer.clone();
            async move { FakePeer::link(port, Some(&newcomer), "central-2", "q").await }
        });
        tried.await.ok()
    })
    .await;
    drop(link);
    let after = one.peer("central-2").await;
    assert_eq!((after.state, after.since), (PeerState::Connected, before.since));
    two.commit(vec![event(5)]).await;
    assert_eq!(one.take_events(1).await, [event(5)]);
}

#[tokio::test]
async fn peers_without_certificates_are_a_bad_setting() {
    let folder = std::env::temp_dir().join(format!("parkmesh-no-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("c.json");
    let config = Plan::new("central-1", None).peer("central-2", 1).config();
    std::fs::write(&file, config.to_string()).unwrap();
    let file_name = file.display().to_string();
    let get = |k: &str| (k == "P2P_CONFIG_FILE").then(|| file_name.clone());
    let settings = kit::Settings::read(kit::Role::Mesh, &get).unwrap();
    let shutdown = kit::Shutdown::new();
    let health = kit::Health::default();
    let bus = kit::Bus::connect("nats://127.0.0.1:1", "mesh", &health).await.unwrap();
    let config = kit::ConfigWatch::start(file, &shutdown).unwrap();
    let service =
        kit::Service { role: kit::Role::Mesh, settings, config, bus, health, shutdown: shutdown.clone() };
    let error = mesh::run(service).await.unwrap_err();
    shutdown.begin();
    let bad = error.downcast_ref::<kit::BadSetting>().expect("exit code 64");
    assert_eq!(bad.key, "MESH_TLS_CA_FILE");
    std::fs::remove_dir_all(folder).unwrap();
}
