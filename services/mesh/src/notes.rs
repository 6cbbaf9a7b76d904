//! What happened, for logs and counters.

use replication::alarm::Change;
use replication::clock::Level;
use replication::mesh::Note;

use crate::metrics::Metrics;

/// Says it.
pub(crate) fn say(metrics: &Metrics, note: &Note) {
    match note {
        Note::PeerAdded { peer, disabled } => tracing::info!(%peer, disabled, "peer added"),
        Note::PeerChanged { peer, disabled } => tracing::info!(%peer, disabled, "peer changed"),
        Note::PeerRemoved { peer } => tracing::info!(%peer, "peer removed"),
        Note::Linked { peer, link, process } => tracing::info!(%peer, link = link.0, %process, "link up"),
        Note::Unlinked { peer, link, reason } => tracing::info!(%peer, link = link.0, %reason, "link down"),
        Note::Silent { peer, link } => tracing::info!(%peer, link = link.0, "link is silent"),
        Note::Spare { peer, link } => tracing::debug!(%peer, link = link.0, "spare link closes"),
        Note::NoLink { peer, refused: true, reason } => tracing::warn!(%peer, %reason, "link refused"),
        Note::NoLink { peer, refused: false, reason } => tracing::info!(%peer, %reason, "no link"),
        Note::Incoming { peer: Some(peer), reason } => {
            tracing::warn!(%peer, %reason, "incoming link refused");
        }
        Note::Incoming { peer: None, reason } => tracing::warn!(%reason, "incoming link refused"),
        Note::Alarm(Change::Begins(a)) => {
            tracing::warn!(code = ?a.code, peer = a.peer, detail = a.detail, "alarm begins");
        }
        Note::Alarm(Change::Ends(a)) => {
            tracing::info!(code = ?a.code, peer = a.peer, detail = a.detail, "alarm ends");
        }
        Note::Skew { peer, level: Level::Fine, skew_ms } => {
            tracing::info!(%peer, skew_ms, "clocks agree again");
        }
        Note::Skew { peer, level: Level::Warn, skew_ms } => tracing::warn!(%peer, skew_ms, "clocks differ"),
        Note::Skew { peer, level: Level::Alarm, skew_ms } => {
            tracing::error!(%peer, skew_ms, "CLOCK: clocks differ by more than 5 s");
        }
        Note::Clone { peer: Some(peer), detail } => {
            tracing::error!(%peer, %detail, "CLONE: two processes of this central are alive at once; a disk or machine was copied");
        }
        Note::Clone { peer: None, detail } => {
            tracing::error!(%detail, "CLONE: two ledgers of this central are alive at once");
        }
        Note::CloneOver { peer } => {
            let peer = peer.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::info!(%peer, "the clone is gone");
        }
        Note::Dropped { peer, queue, count } => {
            tracing::warn!(%peer, queue, dropped = count, "queue full, catch-up brings the rest");
            metrics.dropped(queue, *count);
        }
        Note::Skipped { peer, reason } => {
            let peer = peer.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%peer, %reason, "message skipped");
        }
        Note::NotApplied { peer, reason } => {
            tracing::warn!(%peer, %reason, "live events not applied, catch-up brings them");
        }
    }
}
