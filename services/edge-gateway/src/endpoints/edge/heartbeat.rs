//! `POST /api/edge/heartbeat`: a lane is alive.

use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use wire::bus::lanes::LaneHeard;

use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::heartbeats::skew_ms;
use crate::lane_request::{edge_id, lane_of};
use crate::openapi::Problems;
use crate::problem::Answer;

/// A lane's heartbeat.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documentation; the handler reads it field by field")]
pub(crate) struct HeartbeatRequest {
    /// The edge.
    edge_id: String,
    /// Its clock.
    sent_at: Option<String>,
    /// Requests it has spooled.
    queue: Option<i64>,
    /// Its barrier, in its own words (`closed`, `open`, `fault`).
    barrier: Option<String>,
    /// Its camera, in its own words (`ok`, `offline`).
    camera: Option<String>,
}

/// What the central heard.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct HeartbeatAnswer {
    /// The edge.
    edge_id: String,
    /// When it came, by the central's clock.
    received_at: String,
    /// The lane's clock less the central's, ms.
    clock_skew_ms: Option<i64>,
}

/// A lane is alive
///
/// Shown in `GET /api/edges`. From its first heartbeat on a lane is watched: one of which nothing is heard for 90 s, neither a heartbeat
/// nor anything else, is the alarm `lane_silent` in `GET /api/p2p/status` until it is back. Send one every 30 s.
#[utoipa::path(post, path = "/edge/heartbeat", tag = "lane", request_body = HeartbeatRequest,
    responses((status = 200, description = "Heard", body = HeartbeatAnswer), Problems))]
pub(crate) async fn heartbeat(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let site = gw.site();
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let edge_id = edge_id(&mut f, &o).unwrap_or_default();
    let beat = LaneHeard {
        edge_id: edge_id.clone(),
        heard_at: received_at,
        beat_at: received_at,
        sent_at: o.time(&mut f, "sent_at"),
        queue: o.integer(&mut f, "queue", 0, i64::from(i32::MAX)),
        barrier: o.text(&mut f, "barrier", 64),
        camera: o.text(&mut f, "camera", 64),
    };
    f.done()?;
    lane_of(&site, &caller, &edge_id)?;
    let answer =
        HeartbeatAnswer { received_at: site.rfc3339(received_at), clock_skew_ms: skew_ms(&beat), edge_id };
    gw.heartbeats().keep(beat);
    Ok(ask::json(&answer))
}
