//! How lanes work, as the ledger last said: what a barrier does when the ledger is away depends on it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kit::Shutdown;
use wire::bus::lanes::LaneModeNow;
use wire::bus::query::LedgerQuery;
use wire::event::LaneMode;

use crate::ask::{self, PART_BUDGET};
use crate::gateway::Gateway;

/// How often the ledger is asked.
const LOOK: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LaneModes(Mutex<HashMap<String, LaneModeNow>>);

impl LaneModes {
    /// The mode of a lane.
    pub(crate) fn of(&self, edge_id: &str) -> LaneMode {
        self.now(edge_id).map_or(LaneMode::Normal, |m| m.mode)
    }

    /// The same, with who set it; none where nobody ever did.
    pub(crate) fn now(&self, edge_id: &str) -> Option<LaneModeNow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(edge_id).cloned()
    }

    fn take(&self, all: Vec<LaneModeNow>) {
        let all = all.into_iter().map(|m| (m.edge_id.clone(), m)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// Asks the ledger now. While it is away the last word stands.
pub(crate) async fn refresh(gw: &Gateway) {
    if let Ok(raw) = gw.ledger(&LedgerQuery::LaneModes, PART_BUDGET).await
        && let Ok(all) = ask::read(&raw, "no_ledger")
    {
        gw.lane_modes().take(all);
    }
}

/// Asks the ledger again and again.
pub(crate) fn follow(gw: &Gateway, shutdown: &Shutdown) {
    let (gw, token) = (gw.clone(), shutdown.token());
    shutdown.spawn("lane-modes", async move {
        loop {
            refresh(&gw).await;
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
}
