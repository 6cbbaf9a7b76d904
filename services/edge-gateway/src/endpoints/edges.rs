//! `GET, PUT /api/edges`: the lanes of this central.

use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::config::{EdgeConfig, P2pConfig};
use wire::event::LaneMode;
use wire::http::EdgeView;

use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::endpoints::p2p::config;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::heartbeats::HeartbeatView;
use crate::openapi::{ManagedOutside, Problems};
use crate::problem::Answer;

/// A lane and how it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EdgeState {
    /// The lane.
    #[serde(flatten)]
    edge: EdgeView,
    /// How it works.
    mode: LaneMode,
    /// Who set the mode; null where nobody ever did.
    mode_set: Option<ModeSetView>,
    /// What it last said of itself; null before the first heartbeat.
    last_heartbeat: Option<HeartbeatView>,
}

/// Who set a mode.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ModeSetView {
    /// Since when.
    since: String,
    /// Who.
    staff_id: String,
    /// Why.
    reason: String,
}

/// The lanes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EdgeStates {
    /// In the order of the configuration.
    items: Vec<EdgeState>,
}

/// `PUT /api/edges`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documentation; the handler reads it as part of the configuration")]
pub(crate) struct EdgesPut {
    /// All lanes, as in the configuration.
    items: Vec<EdgeConfig>,
}

/// The lanes of this central
#[utoipa::path(get, path = "/edges", tag = "admin",
    responses((status = 200, description = "The lanes", body = EdgeStates), Problems))]
pub(crate) async fn get_edges(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    Ok(ask::json(&states(&gw, &gw.site().config)))
}

fn states(gw: &Gateway, config: &P2pConfig) -> EdgeStates {
    let site = gw.site();
    let now = kit::clock::now_ms();
    let items = config.this_central.edges.iter().map(|e| EdgeState {
        mode: gw.lane_modes().of(e.id.as_str()),
        mode_set: gw.lane_modes().now(e.id.as_str()).map(|m| ModeSetView {
            since: site.rfc3339(m.since),
            staff_id: m.staff_id,
            reason: m.reason,
        }),
        last_heartbeat: gw.heartbeats().view(e.id.as_str(), now, |ms| site.rfc3339(ms)),
        edge: EdgeView {
            id: e.id.to_string(),
            lane_type: e.lane_type,
            vehicle_classes: e.vehicle_classes.clone(),
            lot_id: e.lot_id.clone(),
            cameras: e.cameras.clone(),
            confirmation: e.confirmation,
            on_no_ledger: e.on_no_ledger,
            has_key: e.key_sha256.is_some(),
        },
    });
    EdgeStates { items: items.collect() }
}

/// Replace the lanes
///
/// All of them, in the form of the configuration; a lane whose `key_sha256` is left out keeps its key. What `GET` shows can be sent back.
#[utoipa::path(put, path = "/edges", tag = "admin", request_body = EdgesPut,
    responses((status = 200, description = "Now in force", body = EdgeStates), ManagedOutside, Problems))]
pub(crate) async fn put_edges(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let items = if o.needed(&mut f, "items") { o.array(&mut f, "items", 1000) } else { None };
    f.done()?;
    let mut items = items.unwrap_or_default().to_vec();
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        // What only GET shows.
        item.remove("has_key");
        item.remove("last_heartbeat");
        item.remove("mode");
        item.remove("mode_set");
    }
    let old = gw.site().config.clone();
    let mut whole = serde_json::to_value(&*old).unwrap_or_default();
    if let Some(edges) = whole.pointer_mut("/this_central/edges") {
        *edges = json!(items);
    }
    let config = P2pConfig::parse(whole.to_string().as_bytes()).map_err(|mut faults| {
        for fault in &mut faults {
            fault.pointer = fault.pointer.replacen("/this_central/edges", "/items", 1);
        }
        config::refuse(faults)
    })?;
    caller.must_be_person()?;
    let kept = config.clone().keep_secrets_of(&old);
    config::put(&gw, config).await?;
    Ok(ask::json(&states(&gw, &kept)))
}
