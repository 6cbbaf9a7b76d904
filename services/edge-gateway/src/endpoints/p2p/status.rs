//! `GET /api/p2p/status`: mesh, ledger and sync in one picture. Parts that do not answer are null and named.

use std::collections::BTreeMap;

use axum::extract::State;
use wire::alarm::{AlarmCode, AlarmNow};
use wire::bus::query::{LedgerQuery, LedgerStatus, MeshQuery, SyncPeers, SyncQuery};
use wire::bus::reference::SyncReference;
use wire::http::{Alarm, Degraded, MeshStatus, Mode, PeerState, PeerView, Status};

use crate::ask::{self, PART_BUDGET};
use crate::caller::Caller;
use crate::endpoints::reference::origin;
use crate::gateway::Gateway;
use crate::heartbeats::SILENT_AFTER;
use crate::openapi::Problems;
use crate::problem::Answer;
use crate::site::Site;

/// The mesh, the history and what is missing
///
/// Each service has 700 ms; one that does not answer is named in `degraded` and its parts are null. Digests of two centrals are
/// comparable where `positions_digest` and `projection_version` are equal.
#[utoipa::path(get, path = "/p2p/status", tag = "mesh",
    responses((status = 200, description = "The status", body = Status), Problems))]
pub(crate) async fn status(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    let site = gw.site();
    let (mesh, ledger, sync, origins) = tokio::join!(
        gw.mesh(&MeshQuery::Status),
        gw.ledger(&LedgerQuery::Status, PART_BUDGET),
        gw.sync(&SyncQuery::Peers),
        gw.sync(&SyncQuery::Reference),
    );
    let mesh: Option<MeshStatus> = mesh.ok().and_then(|b| ask::read(&b, "no_mesh").ok());
    let ledger: Option<LedgerStatus> = ledger.ok().and_then(|b| ask::read(&b, "no_ledger").ok());
    let sync: Option<SyncPeers> = sync.ok().and_then(|b| ask::read(&b, "no_sync").ok());
    let origins: Option<SyncReference> = origins.ok().and_then(|b| ask::read(&b, "no_sync").ok());
    let reference = ledger.as_ref().map(|l| origin::in_status(l, origins.as_ref()));
    let silent = gw.heartbeats().silent(&site, kit::clock::now_ms());
    let merged = merge(&site, gw.modes().now(&site), silent, mesh, ledger, sync);
    Ok(ask::json(&Status { reference, ..merged }))
}

/// Peers as the configuration names them, while the mesh is silent.
fn unheard(site: &Site) -> MeshStatus {
    let since = site.rfc3339(kit::clock::now_ms());
    let peers: Vec<PeerView> = site
        .config
        .peer_centrals
        .iter()
        .map(|p| PeerView {
            id: p.id.to_string(),
            state: if p.disabled { PeerState::Disabled } else { PeerState::Down },
            since: since.clone(),
            rtt_ms: None,
            clock_skew_ms: None,
            behind_events: None,
            held_events: None,
            last_error: Some("the mesh service does not answer".to_owned()),
        })
        .collect();
    let mode = if peers.is_empty() { Mode::Standalone } else { Mode::Mesh };
    MeshStatus { central_id: site.config.this_central.id.to_string(), mode, peers, alarms: Vec::new() }
}

fn merge(
    site: &Site,
    modes: Vec<Degraded>,
    silent: BTreeMap<String, i64>,
    mesh: Option<MeshStatus>,
    ledger: Option<LedgerStatus>,
    sync: Option<SyncPeers>,
) -> Status {
    let mut degraded = modes;
    for (away, mode) in [
        // One that answers and does not write records nothing for the lanes either.
        (!ledger.as_ref().is_some_and(|l| l.writer), Degraded::NoLedger),
        (mesh.is_none(), Degraded::NoMesh),
        (sync.is_none(), Degraded::NoSync),
    ] {
        if away {
            degraded.push(mode);
        }
    }
    let MeshStatus { central_id, mode, mut peers, alarms } = mesh.unwrap_or_else(|| unheard(site));
    for peer in &mut peers {
        let known = sync.as_ref().and_then(|s| s.peers.iter().find(|p| p.id.as_str() == peer.id));
        if let Some(k) = known {
            peer.behind_events = Some(k.behind_events);
            peer.held_events = Some(k.held_events);
        }
        if peer.state == PeerState::Connected && peer.behind_events.is_some_and(|n| n > 0) {
            peer.state = PeerState::Behind;
        }
    }
    let linked = |p: &&PeerView| matches!(p.state, PeerState::Connected | PeerState::Behind);
    let connected_peers = u32::try_from(peers.iter().filter(linked).count()).unwrap_or(u32::MAX);
    // The links themselves know better than the last news of them.
    degraded.retain(|d| *d != Degraded::NoPeers);
    if peers.iter().any(|p| p.state != PeerState::Disabled) && connected_peers == 0 {
        degraded.push(Degraded::NoPeers);
    }
    degraded.sort_unstable();
    let alarms = alarms
        .into_iter()
        .chain(ledger.iter().flat_map(|l| l.alarms.clone()))
        .chain(sync.iter().flat_map(|s| s.alarms.clone()));
    Status {
        central_id,
        mode,
        connected_peers,
        peers,
        digest: ledger.as_ref().map(|l| l.digest.clone()),
        positions_digest: ledger.as_ref().map(|l| l.positions_digest.to_string()),
        projection_version: ledger.as_ref().map(|l| l.projection_version),
        history_rows: ledger.as_ref().map(|l| l.history_rows),
        held_only_here: sync.as_ref().map(|s| s.held_only_here),
        degraded,
        recovery: sync.as_ref().and_then(|s| s.recovery.clone()),
        reference: None,
        spread: sync.as_ref().and_then(|s| s.spread.clone()),
        alarms: worst_first(site, alarms, silent),
    }
}

/// What the services told, and the lanes that are silent, with the moment they became so.
fn worst_first(
    site: &Site,
    alarms: impl Iterator<Item = AlarmNow>,
    silent: BTreeMap<String, i64>,
) -> Vec<Alarm> {
    let silent = silent.into_iter().map(|(lane, since)| {
        let detail = format!("{lane} has sent nothing for {} s", SILENT_AFTER / 1000);
        (AlarmNow { code: AlarmCode::LaneSilent, since, peer: None, detail }, Some(lane))
    });
    let mut all: Vec<(AlarmNow, Option<String>)> = alarms.map(|a| (a, None)).chain(silent).collect();
    all.sort_by(|(a, _), (b, _)| b.code.severity().cmp(&a.code.severity()).then(a.since.cmp(&b.since)));
    all.into_iter()
        .map(|(a, lane)| Alarm {
            code: a.code,
            severity: a.code.severity(),
            since: site.rfc3339(a.since),
            peer: a.peer,
            lane,
            detail: a.detail,
        })
        .collect()
}
