//! What lanes last said of themselves. Kept here, written down by the ledger every few seconds, and read from there at the start: a
//! lane that went silent while this service was away is still missed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kit::Shutdown;
use serde::Serialize;
use wire::bus::lanes::{LaneHeard, LanesHeard};
use wire::bus::query::LedgerQuery;
use wire::bus::subject;

use crate::ask::{self, PART_BUDGET};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::site::Site;

/// A lane silent for so long is an alarm, ms.
pub(crate) const SILENT_AFTER: i64 = 90_000;
/// How often the ledger is told.
const TELL: Duration = Duration::from_secs(5);

/// A heartbeat as people see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct HeartbeatView {
    /// When it came.
    received_at: String,
    /// When anything was heard of the lane last: a heartbeat or any other request.
    last_seen: String,
    /// The lane's clock less ours, ms.
    clock_skew_ms: Option<i64>,
    /// Requests the lane has spooled.
    queue: Option<i64>,
    /// Its barrier, in its own words.
    barrier: Option<String>,
    /// Its camera, in its own words.
    camera: Option<String>,
    /// Silent for 90 s: an alarm.
    silent: bool,
}

/// The lane's clock less ours, ms.
pub(crate) fn skew_ms(beat: &LaneHeard) -> Option<i64> {
    beat.sent_at.map(|s| s.saturating_sub(beat.beat_at))
}

#[derive(Debug, Default)]
struct Known {
    lanes: HashMap<String, LaneHeard>,
    /// Something is new since the ledger was told.
    new: bool,
}

/// See the module. A lane is watched from its first heartbeat on.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    known: Mutex<Known>,
    /// Nothing could be heard before, ms.
    started_at: i64,
}

impl Heartbeats {
    /// Nobody was heard yet.
    pub(crate) fn new(now: i64) -> Self {
        Self { known: Mutex::default(), started_at: now }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A heartbeat came.
    pub(crate) fn keep(&self, beat: LaneHeard) {
        self.with(|k| {
            k.new = true;
            k.lanes.insert(beat.edge_id.clone(), beat);
        });
    }

    /// A lane sent something else: it lives.
    pub(crate) fn heard(&self, caller: &Caller, edge_id: &str, now: i64) {
        if matches!(caller, Caller::Edge { .. }) {
            self.with(|k| {
                if let Some(lane) = k.lanes.get_mut(edge_id) {
                    lane.heard_at = lane.heard_at.max(now);
                    k.new = true;
                }
            });
        }
    }

    /// What was written down before this start.
    fn remember(&self, before: LanesHeard) {
        self.with(|k| {
            for lane in before.lanes {
                k.lanes.entry(lane.edge_id.clone()).or_insert(lane);
            }
        });
    }

    /// All of it, where something is new.
    fn news(&self) -> Option<LanesHeard> {
        self.with(|k| {
            let news = std::mem::take(&mut k.new);
            news.then(|| LanesHeard { lanes: k.lanes.values().cloned().collect() })
        })
    }

    fn silence(&self, lane: &LaneHeard, now: i64) -> i64 {
        now.saturating_sub(lane.heard_at.max(self.started_at))
    }

    /// Configured lanes that are silent, with the moment they became so, ms.
    pub(crate) fn silent(&self, site: &Site, now: i64) -> BTreeMap<String, i64> {
        let edges = &site.config.this_central.edges;
        self.with(|k| {
            let watched = edges.iter().filter_map(|e| k.lanes.get(e.id.as_str()));
            let silent = watched.filter(|l| self.silence(l, now) > SILENT_AFTER);
            silent
                .map(|l| (l.edge_id.clone(), l.heard_at.max(self.started_at).saturating_add(SILENT_AFTER)))
                .collect()
        })
    }

    /// A lane's last one.
    pub(crate) fn view(
        &self,
        edge_id: &str,
        now: i64,
        rfc3339: impl Fn(i64) -> String,
    ) -> Option<HeartbeatView> {
        let lane = self.with(|k| k.lanes.get(edge_id).cloned())?;
        Some(HeartbeatView {
            received_at: rfc3339(lane.beat_at),
            last_seen: rfc3339(lane.heard_at),
            clock_skew_ms: skew_ms(&lane),
            silent: self.silence(&lane, now) > SILENT_AFTER,
            queue: lane.queue,
            barrier: lane.barrier,
            camera: lane.camera,
        })
    }
}

/// Reads what was written down, then tells the ledger what is new, and the metrics who is silent.
pub(crate) fn follow(gw: &Gateway, shutdown: &Shutdown) {
    let (gw, token) = (gw.clone(), shutdown.token());
    shutdown.spawn("heartbeats", async move {
        let mut remembered = false;
        loop {
            if !remembered
                && let Ok(raw) = gw.ledger(&LedgerQuery::LanesHeard, PART_BUDGET).await
                && let Ok(before) = ask::read(&raw, "no_ledger")
            {
                gw.heartbeats().remember(before);
                remembered = true;
            }
            if let Some(news) = gw.heartbeats().news()
                && let Err(e) = gw.bus().publish_json(subject::LANES_HEARD, &news).await
            {
                tracing::debug!(error = %e, "the ledger could not be told of the lanes");
            }
            let site = gw.site();
            let silent = gw.heartbeats().silent(&site, kit::clock::now_ms());
            for edge in &site.config.this_central.edges {
                gw.metrics().lane_silent(edge.id.as_str(), silent.contains_key(edge.id.as_str()));
            }
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(TELL) => {}
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::config::P2pConfig;

    use super::*;

    fn site() -> Site {
        let edge = |id: &str| serde_json::json!({"id": id, "type": "entry_only"});
        let config = serde_json::json!({"this_central": {"id": "central-1", "ip": "127.0.0.1", "p2p_port": 9000,
            "api_port": 8000, "edges": [edge("edge-1"), edge("edge-2")]}, "peer_centrals": []});
        Site::of(Arc::new(P2pConfig::parse(config.to_string().as_bytes()).unwrap()))
    }

    fn beat(edge: &str, at: i64) -> LaneHeard {
        LaneHeard { edge_id: edge.to_owned(), heard_at: at, beat_at: at, ..LaneHeard::default() }
    }

    fn silent(h: &Heartbeats, now: i64) -> Vec<(String, i64)> {
        h.silent(&site(), now).into_iter().collect()
    }

    #[test]
    fn a_lane_is_missed_after_90_s_and_no_more_when_it_is_back() {
        let h = Heartbeats::new(0);
        h.keep(beat("edge-1", 1_000));
        h.keep(beat("edge-of-before", 1_000));
        assert_eq!(silent(&h, 91_000), []);
        assert_eq!(
            silent(&h, 91_001),
            [("edge-1".to_owned(), 91_000)],
            "edge-2 never spoke, the other is none of ours"
        );
        let lane = Caller::Edge { key: wire::hash::Hash32::default(), edge_id: "edge-1".into(), lanes: None };
        h.heard(&Caller::Admin, "edge-1", 92_000);
        assert_eq!(silent(&h, 92_000).len(), 1, "a person's request is not the lane's");
        h.heard(&lane, "edge-1", 93_000);
        h.heard(&lane, "edge-2", 93_000);
        assert_eq!(silent(&h, 93_000), []);
        assert_eq!(silent(&h, 300_000), [("edge-1".to_owned(), 183_000)]);
    }

    #[test]
    fn silence_from_before_this_start_counts_from_the_start() {
        let h = Heartbeats::new(1_000_000);
        h.remember(LanesHeard { lanes: vec![beat("edge-1", 5_000)] });
        assert_eq!(silent(&h, 1_090_000), []);
        assert_eq!(silent(&h, 1_090_001), [("edge-1".to_owned(), 1_090_000)]);
        assert!(h.news().is_none(), "the ledger knows it");
        h.keep(beat("edge-1", 1_100_000));
        h.remember(LanesHeard { lanes: vec![beat("edge-1", 5_000)] });
        assert_eq!(h.news().map(|n| n.lanes[0].heard_at), Some(1_100_000), "what is here is newer");
        assert!(h.news().is_none());
    }
}
