//! The configuration as requests need it: lanes by name, keys, cameras. Built once per change, read without a lock.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use wire::bus::command::LaneFacts;
use wire::config::{Confirmation, EdgeConfig, LaneType, OnNoLedger, P2pConfig};
use wire::hash::Hash32;
use wire::http::Direction;

/// What the configuration in force means to the gateway.
#[derive(Debug)]
pub(crate) struct Site {
    /// The configuration itself.
    pub(crate) config: Arc<P2pConfig>,
    /// The Place's time zone: offsets of what is shown.
    pub(crate) tz: TimeZone,
    lanes: HashMap<String, usize>,
    cameras: HashMap<String, usize>,
    keys: Vec<(Hash32, usize)>,
}

impl Site {
    /// Indexes a configuration.
    pub(crate) fn of(config: Arc<P2pConfig>) -> Self {
        let edges = &config.this_central.edges;
        let lanes = edges.iter().enumerate().map(|(i, e)| (e.id.to_string(), i)).collect();
        let cameras = edges
            .iter()
            .enumerate()
            .flat_map(|(i, e)| e.cameras.iter().map(move |c| (c.clone(), i)))
            .collect();
        let keys = edges.iter().enumerate().filter_map(|(i, e)| Some((key_of(e)?, i))).collect();
        let tz = TimeZone::get(&config.this_central.time_zone).unwrap_or(TimeZone::UTC);
        Self { tz, lanes, cameras, keys, config }
    }

    /// A lane by the name of its edge.
    pub(crate) fn lane(&self, edge_id: &str) -> Option<&EdgeConfig> {
        self.lanes.get(edge_id).and_then(|i| self.config.this_central.edges.get(*i))
    }

    /// The lane a camera looks at.
    pub(crate) fn lane_of_camera(&self, camera: &str) -> Option<&EdgeConfig> {
        self.cameras.get(camera).and_then(|i| self.config.this_central.edges.get(*i))
    }

    /// The edge a key belongs to. Every key is compared in full, so that time tells nothing about any of them.
    pub(crate) fn edge_of_key(&self, key: &Hash32) -> Option<&EdgeConfig> {
        let mut found = u64::MAX;
        for (known, i) in &self.keys {
            let same: Choice = known.as_bytes().ct_eq(key.as_bytes());
            found.conditional_assign(&(*i as u64), same);
        }
        usize::try_from(found).ok().and_then(|i| self.config.this_central.edges.get(i))
    }

    /// A time in the Place's offset.
    pub(crate) fn rfc3339(&self, ms: i64) -> String {
        wire::time::rfc3339(ms, &self.tz)
    }
}

/// The hash of an edge's key.
pub(crate) fn key_of(edge: &EdgeConfig) -> Option<Hash32> {
    edge.key_sha256.as_deref().and_then(|k| k.parse().ok())
}

/// Which ways a lane goes; none = each request says which.
pub(crate) fn only_way(lane: LaneType) -> Option<Direction> {
    match lane {
        LaneType::EntryOnly => Some(Direction::Entry),
        LaneType::ExitOnly => Some(Direction::Exit),
        LaneType::Reversible | LaneType::Service => None,
    }
}

/// The lane as the ledger needs it.
pub(crate) fn facts(edge: &EdgeConfig, direction: Direction) -> LaneFacts {
    LaneFacts {
        edge_id: edge.id.to_string(),
        direction,
        lot_id: edge.lot_id.clone(),
        vehicle_classes: edge.vehicle_classes.clone(),
        assumed: edge.confirmation == Confirmation::Assumed,
    }
}

/// What the lane does when nothing can be recorded.
pub(crate) fn on_no_ledger(edge: &EdgeConfig, direction: Direction) -> OnNoLedger {
    edge.on_no_ledger.unwrap_or(match direction {
        Direction::Entry => OnNoLedger::Open,
        Direction::Exit => OnNoLedger::AskStaff,
    })
}
