//! Whether a document is taken: pure, given what is held.

use parking::reference::{Content, Refused, not_raised, read};
use parking::tariff::TariffBook;
use sha2::{Digest, Sha256};
use wire::bus::reference::{HeldHere, Origin};
use wire::hash::Hash32;
use wire::http::FieldError;
use wire::id::CentralId;
use wire::reference::{DocumentId, DocumentKind, Held, pack, parts_of, unpack};

use crate::store::reference::Document;

/// What a document is worth.
#[derive(Debug)]
pub(super) enum Judged {
    /// Bad.
    Refused(Vec<FieldError>),
    /// It, or a better one, is held already.
    Held(Held),
    /// To be stored.
    New(Box<Document>),
}

impl From<Refused> for Judged {
    fn from(r: Refused) -> Self {
        Self::Refused(r.errors)
    }
}

/// Judges a packed document.
pub(super) fn judge(
    packed: &[u8],
    origin: Origin,
    held: &[HeldHere],
    tariffs: &TariffBook,
    central: &CentralId,
    now: i64,
) -> Judged {
    whole(packed, origin, held, tariffs, central, now).unwrap_or_else(Judged::from)
}

fn whole(
    packed: &[u8],
    origin: Origin,
    held: &[HeldHere],
    tariffs: &TariffBook,
    central: &CentralId,
    now: i64,
) -> Result<Judged, Refused> {
    let kind = super::origin_kind(&origin);
    let json = unpack(kind, packed).map_err(|e| Refused::one("", "malformed", e.to_string()))?;
    let document = read(kind, &json)?;
    let id = DocumentId {
        kind,
        version: document.version,
        hash: Hash32(Sha256::digest(&document.canonical).into()),
    };
    let of_kind = || held.iter().map(|h| &h.held).filter(|h| h.id.kind == kind);
    let same_version = of_kind().find(|h| h.id.version == id.version);
    let newest = of_kind().max_by_key(|h| h.id.version);
    if let Some(h) = same_version.filter(|h| h.id.hash == id.hash) {
        return Ok(Judged::Held(h.clone()));
    }
    let (etag, came_from, fetched_at, fetched_by, body) = match origin {
        Origin::Api { etag, fetched_at, .. } => {
            raised(&id, same_version, newest)?;
            if let Content::RateTables(config) = &document.content {
                not_raised(config, tariffs)?;
            }
            let body = pack(&document.canonical).map_err(|e| Refused::one("", "too_large", e.to_string()))?;
            (etag, None, fetched_at, central.clone(), body)
        }
        Origin::Peer { peer, held } => {
            if held.id != id {
                return Err(Refused::one("", "malformed", "is not the document it is said to be"));
            }
            // Versions of rate tables that are older than the newest fill the history; of the others only the newest counts.
            let better = match (kind, newest) {
                (DocumentKind::RateTables, _) => same_version.is_none_or(|h| h.id < id),
                (_, newest) => newest.is_none_or(|h| h.id < id),
            };
            if !better {
                return Ok(Judged::Held(same_version.or(newest).cloned().unwrap_or(held)));
            }
            // As it came: its parts are the same wherever they are asked for.
            (None, Some(peer), held.fetched_at, held.fetched_by, packed.to_vec())
        }
    };
    let held = Held { id, parts: parts_of(body.len()), fetched_at, fetched_by };
    Ok(Judged::New(Box::new(Document {
        here: HeldHere { held, etag },
        items: u32::try_from(document.items).unwrap_or(u32::MAX),
        body,
        came_from,
        stored_at: now,
    })))
}

/// The external API published something else than is held: only under a higher version.
fn raised(id: &DocumentId, same_version: Option<&Held>, newest: Option<&Held>) -> Result<(), Refused> {
    if same_version.is_some() {
        let message = format!("version {} was published with other content: raise the version", id.version);
        return Err(Refused::one("/version", "not_raised", message));
    }
    match newest {
        Some(h) if h.id.version > id.version => {
            let message =
                format!("is older than version {}, which is in force: raise the version", h.id.version);
            Err(Refused::one("/version", "not_raised", message))
        }
        _ => Ok(()),
    }
}
