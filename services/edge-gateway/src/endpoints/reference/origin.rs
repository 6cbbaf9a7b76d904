//! Where a document comes from: what sync knows, beside what the ledger holds.

use wire::bus::query::LedgerStatus;
use wire::bus::reference::{PeerDocuments, SourceNow, SyncReference};
use wire::http::{ReferenceError, ReferencePage, ReferencePeer, ReferenceStatus};
use wire::reference::{DocumentId, DocumentKind};

use crate::site::Site;

/// The best document of a kind that a peer holds.
fn best(peer: &PeerDocuments, kind: DocumentKind) -> Option<&DocumentId> {
    peer.documents.iter().filter(|d| d.kind == kind).max()
}

fn source(sync: &SyncReference, kind: DocumentKind) -> Option<&SourceNow> {
    sync.sources.iter().find(|s| s.kind == kind)
}

/// Adds to a page where it comes from and what peers hold.
pub(super) fn add<T>(page: &mut ReferencePage<T>, sync: &SyncReference, site: &Site) {
    page.configured = sync.configured;
    page.stale = Some(sync.configured && sync.stale);
    if let Some(s) = source(sync, page.document) {
        page.checked_at = s.checked_at.map(|t| site.rfc3339(t));
        page.answered_at = s.answered_at.map(|t| site.rfc3339(t));
        page.published = s.published;
        page.last_error = s.error.as_ref().map(|e| ReferenceError {
            at: site.rfc3339(e.at),
            reason: e.reason.clone(),
            errors: e.errors.clone(),
        });
        // What it said when it last answered is what holds here, unless that was bad.
        let confirmed = s.answered_at.filter(|_| s.error.as_ref().is_none_or(|e| e.errors.is_empty()));
        if page.age_s.is_some()
            && let Some(at) = confirmed
        {
            let age = (kit::clock::now_ms() - at).div_euclid(1000).max(0);
            page.age_s = page.age_s.map(|a| a.min(age));
        }
    }
    for peer in &sync.peers {
        let held = best(peer, page.document);
        let version = held.map(|d| d.version);
        page.newest_known = page.newest_known.max(version);
        page.peers.push(ReferencePeer {
            id: peer.id.to_string(),
            version,
            differs: held.map(|d| d.hash.to_string()) != page.hash,
        });
    }
    page.behind = page.newest_known > page.version;
}

/// The documents in the status.
pub(crate) fn in_status(ledger: &LedgerStatus, sync: Option<&SyncReference>) -> Vec<ReferenceStatus> {
    let one = |kind: DocumentKind| {
        let here = ledger.reference.iter().find(|d| d.kind == kind);
        let version = here.map(|d| d.version);
        let at_peers =
            sync.iter().flat_map(|s| &s.peers).filter_map(|p| best(p, kind)).map(|d| d.version).max();
        let newest_known = version.max(at_peers);
        ReferenceStatus {
            document: kind,
            version,
            hash: here.map(|d| d.hash.to_string()),
            newest_known,
            behind: newest_known > version,
            last_error: sync
                .and_then(|s| source(s, kind))
                .and_then(|s| s.error.as_ref())
                .map(|e| e.reason.clone()),
        }
    };
    DocumentKind::ALL.map(one).into()
}
