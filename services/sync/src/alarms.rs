//! The alarms of sync: catch-up that does not move, with its cause; ranges nobody holds; an external API that is stale.

use std::time::Duration;

use replication::alarm::{Board, Change, LinkNow, Moment, Standing, nowhere, stalled};
use replication::catchup::Catchup;
use wire::alarm::{AlarmCode, AlarmNow};
use wire::bus::state::MeshState;

use crate::keeping::Keeping;
use crate::metrics::Metrics;
use crate::reference::Silent;

/// What the external API said lately.
pub(crate) struct External<'a> {
    pub(crate) documents: &'a [Silent],
    /// So long without a good answer is an alarm.
    pub(crate) alarm_after: Duration,
}

impl External<'_> {
    fn stale(&self) -> Option<Standing> {
        let stale = self.documents.iter().filter(|d| d.since >= self.alarm_after);
        let said: Vec<String> = stale
            .map(|d| {
                let minutes = d.since.as_secs() / 60;
                let why = d.reason.as_deref().unwrap_or("no answer");
                format!("{} for {minutes} minutes: {why}", d.kind)
            })
            .collect();
        (!said.is_empty()).then(|| Standing {
            code: AlarmCode::ExternalApiStale,
            peer: None,
            detail: said.join("; "),
            after_ms: 0,
        })
    }
}

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
    pub(crate) fn look(
        &mut self,
        catchup: &Catchup,
        keeping: &Keeping,
        external: &External<'_>,
        metrics: &Metrics,
        at: Moment,
    ) {
        let only_there: Vec<(String, u64)> =
            catchup.only_unlinked().into_iter().map(|(id, n)| (id.to_string(), n)).collect();
        let mut standing = stalled(catchup.stuck(), &only_there, &self.links);
        standing.extend(nowhere(keeping.nowhere(), keeping.unheard()));
        standing.extend(external.stale());
        metrics.external(external.documents);
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
