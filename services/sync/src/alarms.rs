//! The alarms of sync: catch-up that does not move, with its cause, and ranges nobody holds.

use replication::alarm::{Board, Change, LinkNow, Moment, nowhere, stalled};
use replication::catchup::Catchup;
use wire::alarm::AlarmNow;
use wire::bus::state::MeshState;

use crate::keeping::Keeping;
use crate::metrics::Metrics;

/// What stands.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    board: Board,
    links: Vec<LinkNow>,
}

impl Alarms {
    /// Mesh told which peers have no link, and why.
    pub(crate) fn links(&mut self, state: &MeshState) {
        self.links = state
            .unlinked
            .iter()
            .map(|u| LinkNow {
                peer: u.id.to_string(),
                linked: false,
                refused: u.refused,
                error: u.error.clone(),
            })
            .collect();
    }

    /// Looks at what holds now; logs what began and ended.
    pub(crate) fn look(&mut self, catchup: &Catchup, keeping: &Keeping, metrics: &Metrics, at: Moment) {
        let only_there: Vec<(String, u64)> =
            catchup.only_unlinked().into_iter().map(|(id, n)| (id.to_string(), n)).collect();
        let mut standing = stalled(catchup.stuck(), &only_there, &self.links);
        standing.extend(nowhere(keeping.nowhere(), keeping.unheard()));
        for change in self.board.update(at, standing) {
            match change {
                Change::Begins(a) => {
                    tracing::error!(code = %a.code.name(), peer = a.peer, detail = a.detail, "alarm begins");
                }
                Change::Ends(a) => {
                    tracing::info!(code = %a.code.name(), peer = a.peer, detail = a.detail, "alarm ends");
                }
            }
        }
        metrics.alarms(&self.board.now());
    }

    /// The alarms that stand.
    pub(crate) fn now(&self) -> Vec<AlarmNow> {
        self.board.now()
    }
}
