//! In time: a lane that can be answered is answered, and backlog never keeps it waiting.

use super::Violation;
use crate::traffic::Attempt;
use crate::world::{Step, World};

/// With transactions no longer than this, a lane's deadline leaves room for the worst order of rounds, ms.
const FAST_COMMIT_MS: i64 = 20;

/// A transaction of a slow disk may still be on its way for so long, ms.
const SLOW_MS: i64 = 2_000;

impl World {
    /// Something is wrong at a central until then: it may not answer, and what waits there may be lost.
    pub(crate) fn trouble(&mut self, node: usize, until: i64) {
        let n = &mut self.nodes[node];
        n.trouble_to = n.trouble_to.max(until);
    }

    /// A lane gave up, or was told that nothing can be recorded. Where nothing was wrong, that is.
    pub(crate) fn check_in_time(&self, a: Attempt) -> Step {
        let n = &self.nodes[a.node];
        let loss = if self.healed { 0 } else { self.plan.net.bus_loss };
        let roomy = self.plan.bounds.commands > 100;
        let fast = self.plan.commit_ms <= FAST_COMMIT_MS && a.at >= n.slow_disk_to + SLOW_MS;
        let runs = n.on && n.ledger.is_some() && n.mesh.is_some();
        if !runs || a.both || loss > 0 || !roomy || !fast || n.trouble_to >= a.at {
            return Ok(());
        }
        let what = format!("request {} to node {} at {} ms", a.request, a.node, a.at);
        Err(Violation::new("a lane is answered in time", what))
    }

    /// Commands wait behind one chunk of backlog at most.
    pub(crate) fn check_turn(&mut self, node: usize, waiting: usize, backlog: bool) -> Step {
        let n = &mut self.nodes[node];
        let again = std::mem::replace(&mut n.backlog_turn, backlog);
        if backlog && again && waiting > 0 {
            let what = format!("node {node}: {waiting} commands wait behind a second chunk");
            return Err(Violation::new("lanes come before backlog", what));
        }
        Ok(())
    }
}
