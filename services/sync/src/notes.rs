//! What happened, for logs and figures.

use replication::sync::Note;

use crate::metrics::Metrics;

/// Says it.
pub(crate) fn say(metrics: &Metrics, note: &Note) {
    match note {
        Note::MeshSilent => tracing::warn!("mesh is silent, no link is believed to be up"),
        Note::Read => {}
        Note::NotRead { reason } => tracing::warn!(%reason, "own holdings not read, trying on"),
        Note::Stalled(cause) => {
            metrics.stalled(true);
            tracing::error!(%cause, "catch-up does not move");
        }
        Note::Moving => {
            metrics.stalled(false);
            tracing::info!("catch-up moves again");
        }
        Note::Stored { events, .. } => metrics.applied(*events),
        Note::NotStored { peer, reason } => {
            tracing::warn!(%peer, %reason, "page not stored, it is asked for again");
        }
        Note::Unusual { peer, poison, forks, refused } => {
            tracing::warn!(%peer, poison, forks, refused, "backlog events are out of the ordinary");
        }
        Note::Unasked { peer } => tracing::debug!(%peer, "page nobody asked for"),
        Note::BadPage { peer, reason } => tracing::warn!(%peer, %reason, "page of a peer cannot be read"),
        Note::Answered { events, .. } => metrics.sent(*events),
        Note::NotAnswered { peer, reason } => {
            tracing::warn!(%peer, %reason, "request of a peer could not be answered in full");
        }
        Note::RequestLeft { peer } => {
            tracing::debug!(%peer, "queue of requests is full, the peer asks again");
        }
    }
}
