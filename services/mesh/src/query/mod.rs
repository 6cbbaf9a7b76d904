//! What others ask mesh.

mod bundle;
mod config;
mod test_connection;

use std::sync::Arc;

use jiff::tz::TimeZone;
use kit::{ConfigWatch, Incoming};
use replication::mesh::PeerStatus;
use serde::Serialize;
use wire::bus::query::{MeshQuery, QueryReply};
use wire::http::{MeshStatus, Mode, PeerView, Problem};
use wire::time::rfc3339;

use crate::node::Node;

/// Answers one question.
pub(crate) async fn answer(node: Arc<Node>, config: ConfigWatch, question: Incoming) {
    let reply = match question.json::<MeshQuery>() {
        Ok(q) => ask(&node, &config, q).await,
        Err(e) => Err(internal(format!("question to mesh: {e}"))),
    };
    question.reply_json(&reply.unwrap_or_else(|p| QueryReply::Problem(*p))).await;
}

async fn ask(
    node: &Arc<Node>,
    config: &ConfigWatch,
    question: MeshQuery,
) -> Result<QueryReply, Box<Problem>> {
    match question {
        MeshQuery::Status => ok(&status(node, config)),
        MeshQuery::Config => ok(&config.current().redacted()),
        MeshQuery::PutConfig(new) => ok(&config::put(config.clone(), *new).await?.redacted()),
        MeshQuery::TestConnection { peer_id } => {
            ok(&test_connection::test(node, &config.current(), &peer_id).await?)
        }
        MeshQuery::BundleSealer => ok(&bundle::sealer(node)?),
        MeshQuery::SealBundle { manifest } => ok(&bundle::seal(node, &manifest)?),
        MeshQuery::TrustBundle { exporter, created_at, manifest, seal } => {
            ok(&bundle::trust(node, &config.current(), &exporter, created_at, &manifest, &seal)?)
        }
        MeshQuery::PlateLookup { tag, timeout_ms } => ok(&node.ask_peers(tag, timeout_ms).await),
    }
}

fn internal(detail: String) -> Box<Problem> {
    Box::new(Problem::new(500, "internal", "Internal error", detail))
}

fn ok<T: Serialize>(body: &T) -> Result<QueryReply, Box<Problem>> {
    serde_json::value::to_raw_value(body).map(QueryReply::Ok).map_err(|e| internal(e.to_string()))
}

fn status(node: &Node, config: &ConfigWatch) -> MeshStatus {
    let config = config.current();
    let tz = TimeZone::get(&config.this_central.time_zone).unwrap_or(TimeZone::UTC);
    let view = |p: PeerStatus| PeerView {
        id: p.id.to_string(),
        state: p.state,
        since: rfc3339(p.since_ms, &tz),
        rtt_ms: p.rtt_ms,
        clock_skew_ms: p.skew_ms,
        behind_events: None,
        held_events: None,
        last_error: p.trouble,
    };
    node.look(|mesh| MeshStatus {
        alarms: mesh.alarms(),
        central_id: node.me.to_string(),
        mode: if config.peer_centrals.is_empty() { Mode::Standalone } else { Mode::Mesh },
        peers: mesh.peers().map(view).collect(),
    })
}
