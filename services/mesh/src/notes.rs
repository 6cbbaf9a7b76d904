//! What happened, for logs and counters.

use std::time::Instant;

use replication::alarm::{Change, refusal_kind};
use replication::clock::Level;
use replication::mesh::Note;

use crate::metrics::Metrics;
use crate::refusals::Refusals;

/// The address a reason ends with.
fn from(reason: &str) -> &str {
    reason.rsplit_once(FROM).map_or("", |(_, address)| address)
}

/// What stands between a reason and the address it came from.
pub(crate) const FROM: &str = ", from ";

/// Says it.
pub(crate) fn say(metrics: &Metrics, refusals: &Refusals, note: &Note) {
    match note {
        Note::PeerAdded { peer, disabled } => tracing::info!(%peer, disabled, "peer added"),
        Note::PeerChanged { peer, disabled } => tracing::info!(%peer, disabled, "peer changed"),
        Note::PeerRemoved { peer } => tracing::info!(%peer, "peer removed"),
        Note::Linked { peer, link, process } => tracing::info!(%peer, link = link.0, %process, "link up"),
        Note::Unlinked { peer, link, reason } => tracing::info!(%peer, link = link.0, %reason, "link down"),
        Note::Silent { peer, link } => tracing::info!(%peer, link = link.0, "link is silent"),
        Note::Spare { peer, link } => tracing::debug!(%peer, link = link.0, "spare link closes"),
        Note::NoLink { peer, refused: true, reason } => {
            let kind = refusal_kind(reason);
            metrics.refused(kind, "out");
            if let Some(before) = refusals.to_log(peer.as_str(), kind, Instant::now()) {
                tracing::warn!(%peer, %reason, before, "link refused");
            }
        }
        Note::NoLink { peer, refused: false, reason } => tracing::info!(%peer, %reason, "no link"),
        Note::Incoming { peer, reason } => {
            let kind = refusal_kind(reason);
            metrics.refused(kind, "in");
            // A stranger is told from others by its address, which the reason ends with.
            let who = peer.as_ref().map_or_else(|| from(reason), |p| p.as_str());
            if let Some(before) = refusals.to_log(who, kind, Instant::now()) {
                let peer = peer.as_ref().map(tracing::field::display);
                tracing::warn!(peer, %reason, before, "incoming link refused");
            }
        }
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
