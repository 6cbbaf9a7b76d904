//! Who is let in, and what the other is told.

use wire::http::PeerState;
use wire::mesh::Message;

use crate::support::{Authority, Central, FakePeer, Issued, Plan, event, eventually};

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
    let link = eventually("the new certificate is in force", || async {
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
async fn a_denied_certificate_ends_its_link_and_another_of_the_same_central_comes_in() {
    let ca = Authority::new();
    let (stolen, honest) = (ca.issue("central-2"), ca.issue("central-2"));
    let plan = Plan::new("central-1", Some(ca.issue("central-1"))).peer("central-2", 1);
    let one = Central::start(plan).await;
    let mut thief = FakePeer::link(one.plan.port, Some(&stolen), "central-2", "p").await;
    one.sees("central-2", PeerState::Connected).await;
    // What cannot be read whole changes nothing.
    std::fs::write(one.deny_file(), "central-2 is stolen\n").unwrap();
    thief.beat(1).await;
    std::fs::write(one.deny_file(), format!("# denied\n{}  central-2, stolen\n", stolen.fingerprint()))
        .unwrap();
    while let Some(m) = thief.receive().await {
        assert!(!matches!(m, Message::Bye(reason) if reason.contains("internal")));
    }
    eventually("the link has ended", || async {
        (one.peer("central-2").await.state != PeerState::Connected).then_some(())
    })
    .await;
    assert!(!comes_in(one.plan.port, &stolen, "central-2").await, "not with the stolen one");
    let _honest = FakePeer::link(one.plan.port, Some(&honest), "central-2", "p").await;
    one.sees("central-2", PeerState::Connected).await;
}

/// Whether somebody with this certificate gets as far as a link.
async fn comes_in(port: u16, with: &Issued, id: &str) -> bool {
    let (with, id) = (with.clone(), id.to_owned());
    tokio::spawn(async move { FakePeer::link(port, Some(&with), &id, "p").await }).await.is_ok()
}

#[tokio::test]
async fn nobody_comes_in_without_a_name_or_under_another_authority_or_late() {
    let ca = Authority::new();
    let plan = Plan::new("central-1", Some(ca.issue("central-1"))).peer("central-2", 1);
    let one = Central::start(plan).await;
    for (with, why) in [
        (Authority::new().issue("central-2"), "another operator's"),
        (ca.issue_expired("central-2"), "expired"),
        (Issued::nameless(&ca), "names nobody"),
        (ca.issue("central-3"), "not configured"),
    ] {
        assert!(!comes_in(one.plan.port, &with, "central-2").await, "{why}");
        assert_ne!(one.peer("central-2").await.state, PeerState::Connected, "{why}");
    }
    assert!(comes_in(one.plan.port, &ca.issue("central-2"), "central-2").await);
}

#[tokio::test]
async fn a_deny_list_that_is_none_is_a_bad_setting() {
    let ca = Authority::new();
    let mut one = Central::start(Plan::new("central-1", Some(ca.issue("central-1")))).await;
    one.stop().await;
    std::fs::write(one.deny_file(), "not a fingerprint\n").unwrap();
    let bad = one.try_run().await.unwrap_err();
    assert_eq!(bad.downcast_ref::<kit::BadSetting>().expect("exit code 64").key, "MESH_TLS_DENY_FILE");
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_an_alarm_months_ahead() {
    let ca = Authority::new();
    for (days, code) in [(59, Some("certificate_ends")), (5, Some("certificate_ends_soon")), (90, None)] {
        let one = Central::start(Plan::new("central-1", Some(ca.issue_for("central-1", days)))).await;
        let state = eventually("the mesh tells its state", || one.alarms()).await;
        match code {
            Some(code) => {
                eventually(code, || async { one.alarms().await?.iter().any(|c| c == code).then_some(()) })
                    .await;
            }
            None => assert_eq!(state, Vec::<String>::new()),
        }
    }
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
