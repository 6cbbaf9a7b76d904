//! The configuration: shown, replaced, followed.

use std::os::unix::fs::PermissionsExt;

use wire::bus::query::MeshQuery;
use wire::config::P2pConfig;
use wire::http::{PeerState, Problem};

use crate::support::{Authority, Central, Plan, event, eventually};

async fn put(central: &Central, edit: impl FnOnce(&mut P2pConfig)) -> Result<P2pConfig, Problem> {
    let mut config: P2pConfig = central.ask(&MeshQuery::Config).await.unwrap();
    edit(&mut config);
    central.ask(&MeshQuery::PutConfig(Box::new(config))).await
}

#[tokio::test]
async fn a_file_edit_reloads_peers_and_leaves_the_unchanged_link_alone() {
    let ca = Authority::new();
    let ids = ["central-1", "central-2", "central-3"];
    let [one, two, three] = Plan::mesh(ids.map(|id| Plan::new(id, Some(ca.issue(id)))));
    let (one, mut two) = (Central::start(one).await, Central::start(two).await);
    let three = Central::start(three).await;
    let before = one.sees("central-2", PeerState::Connected).await;
    one.sees("central-3", PeerState::Connected).await;
    let here = two.sees("central-1", PeerState::Connected).await;

    one.edit_config(|c| c["peer_centrals"][1]["disabled"] = true.into());
    one.sees("central-3", PeerState::Disabled).await;
    let said = three.sees("central-1", PeerState::Refused).await.last_error.unwrap();
    assert!(said.contains("central-1 refuses") || said.contains("disabled"), "{said}");

    one.edit_config(|_| ());
    one.sees("central-3", PeerState::Connected).await;
    let after = one.peer("central-2").await;
    assert_eq!((after.state, after.since), (PeerState::Connected, before.since));
    assert_eq!(two.peer("central-1").await.since, here.since);
    one.commit(vec![event(1)]).await;
    assert_eq!(two.take_events(1).await, [event(1)]);
}

#[tokio::test]
async fn put_replaces_the_file_and_keeps_what_get_hides() {
    let one = Central::start(Plan::new("central-1", None)).await;
    let shown: P2pConfig = one.ask(&MeshQuery::Config).await.unwrap();
    assert_eq!(shown.this_central.edges[0].key_sha256, None);
    let peer = serde_json::from_str(r#"{"id":"central-2","ip":"127.0.0.1","p2p_port":1}"#).unwrap();
    let put = put(&one, |c| c.peer_centrals.push(peer)).await.unwrap();
    assert_eq!((put.peer_centrals.len(), &put.this_central.edges[0].key_sha256), (1, &None));
    eventually("the peer is dialled", || async {
        Some(one.peer("central-2").await).filter(|p| p.state == PeerState::Down)
    })
    .await;
    let file = std::fs::read(one.folder.join("p2p_config.json")).unwrap();
    let kept = P2pConfig::parse(&file).unwrap().this_central.edges.remove(0).key_sha256;
    assert_eq!(kept, Some("00".repeat(32)));
}

#[tokio::test]
async fn put_refuses_another_id_faults_and_a_file_that_is_not_ours() {
    let one = Central::start(Plan::new("central-1", None)).await;
    let p = put(&one, |c| c.this_central.id = "central-7".parse().unwrap()).await.unwrap_err();
    assert_eq!((p.status, p.errors[0].field.as_str()), (422, "/this_central/id"));
    let p = put(&one, |c| c.this_central.p2p_port = 0).await.unwrap_err();
    assert_eq!((p.status, p.errors[0].field.as_str()), (422, "/this_central/p2p_port"));

    let file = one.folder.join("p2p_config.json");
    let before = std::fs::read(&file).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let p = put(&one, |c| c.this_central.api_port = 8001).await.unwrap_err();
    assert_eq!((p.status, p.code.as_str()), (409, "config_managed_externally"));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let shown: P2pConfig = one.ask(&MeshQuery::Config).await.unwrap();
    assert_eq!(shown.this_central.api_port, 1);
}
