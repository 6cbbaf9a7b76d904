//! `GET /api/reference/…`: the ledger's part. Where documents come from and what peers hold is sync's.

use parking::reference::{Pass, Reference, StaffMember};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wire::http::{PassView, ReferencePage, StaffView};
use wire::reference::DocumentKind;

use super::{NoAnswer, Reader, bad_field, cursor, json};
use crate::store::{StoreError, reference as store};

/// Bytes of the items of one page at most: an answer must fit a message of the bus.
const PAGE_BYTES: usize = 512 * 1024;

/// One page of a document, as this central knows it.
pub(super) async fn page(
    reader: &Reader,
    kind: DocumentKind,
    limit: u32,
    after: Option<&str>,
) -> Result<Box<RawValue>, NoAnswer> {
    let stored = store::newest(&mut *reader.pool.acquire().await?, kind).await?;
    let reference = reader.shared.reference();
    match kind {
        DocumentKind::RateTables => {
            let (published, items) = (reference.tariffs.version(), tables(&reference)?);
            let source = if published.is_some() { "external_api" } else { "built_in" };
            let items: Vec<&Value> = items.iter().collect();
            head(reader, kind, published, source, stored, &items, limit, after)
        }
        DocumentKind::Staff => {
            let items: Vec<StaffView> = reference.staff.iter().flat_map(|l| l.all()).map(staff).collect();
            let version = stored.as_ref().map(|s| s.here.held.id.version);
            head(reader, kind, version, "external_api", stored, &items, limit, after)
        }
        DocumentKind::Subscriptions => {
            let view = reader.shared.view();
            let pass = |p: &Pass| PassView {
                id: p.id.clone(),
                plates: p.plates.iter().map(|k| k.as_str().to_owned()).collect(),
                vehicle_class: p.vehicle_class.map(|c| c.as_str().to_owned()),
                lots: p.lots.clone(),
                valid_from: view.time(p.valid_from),
                valid_to: p.valid_to.map(|t| view.time(t)),
                max_inside: p.max_inside,
            };
            // Only those of the page are made.
            let all: Vec<&Pass> = reference.passes.all().iter().collect();
            paged(
                reader,
                kind,
                reference.passes.version(),
                "external_api",
                stored,
                &all,
                (limit, after),
                pass,
            )
        }
    }
}

fn staff(m: &StaffMember) -> StaffView {
    StaffView { id: m.id.clone(), name: m.name.clone(), role: m.role.as_str().to_owned(), active: m.active }
}

/// Every table, newest publication first, at last the built-in ones; each with the publication it stands in, and whether that is
/// the newest one that has this table.
fn tables(reference: &Reference) -> Result<Vec<Value>, NoAnswer> {
    let mut items: Vec<Value> = Vec::new();
    let mut seen: Vec<(String, i64)> = Vec::new();
    for (publication, tariffs) in reference.tariffs.everything() {
        for t in tariffs {
            let table = t.table();
            let newest = !seen.iter().any(|(id, _)| *id == table.id);
            let name = (table.id.clone(), table.version);
            if seen.contains(&name) && publication.is_some() {
                continue;
            }
            let mut item = serde_json::to_value(table).map_err(|e| StoreError::Damaged(e.to_string()))?;
            if let Some(o) = item.as_object_mut() {
                o.insert("publication".to_owned(), json!(publication));
                o.insert(
                    "source".to_owned(),
                    json!(if publication.is_some() { "external_api" } else { "built_in" }),
                );
                o.insert("superseded".to_owned(), json!(!newest));
                let warnings: Vec<String> = t.breaches().iter().map(ToString::to_string).collect();
                o.insert("warnings".to_owned(), json!(warnings));
            }
            seen.push(name);
            items.push(item);
        }
    }
    Ok(items)
}

#[expect(clippy::too_many_arguments, reason = "what an answer is made of")]
fn head<T: Serialize>(
    reader: &Reader,
    kind: DocumentKind,
    version: Option<i64>,
    source: &str,
    stored: Option<store::Newest>,
    items: &[T],
    limit: u32,
    after: Option<&str>,
) -> Result<Box<RawValue>, NoAnswer> {
    let all: Vec<&T> = items.iter().collect();
    paged(reader, kind, version, source, stored, &all, (limit, after), |t| t)
}

#[expect(clippy::too_many_arguments, reason = "what an answer is made of")]
fn paged<'a, T, V: Serialize>(
    reader: &Reader,
    kind: DocumentKind,
    version: Option<i64>,
    source: &str,
    stored: Option<store::Newest>,
    all: &[&'a T],
    (limit, after): (u32, Option<&str>),
    show: impl Fn(&'a T) -> V,
) -> Result<Box<RawValue>, NoAnswer> {
    let of = version.map_or_else(|| "none".to_owned(), |v| v.to_string());
    let from = match after.map(cursor::read).transpose()? {
        None => 0,
        Some((at, v)) if v == of => usize::try_from(at).unwrap_or_default(),
        Some(_) => return Err(bad_field("cursor", "invalid_value", "the document has changed: begin again")),
    };
    let (mut items, mut bytes) = (Vec::new(), 0);
    for item in all.iter().skip(from).take(limit.clamp(1, 500) as usize) {
        let item = json(&show(item))?;
        bytes += item.get().len();
        if bytes > PAGE_BYTES && !items.is_empty() {
            break;
        }
        items.push(item);
    }
    let next = from + items.len();
    let view = reader.shared.view();
    let stored = stored.filter(|_| version.is_some());
    let held = stored.as_ref().map(|s| &s.here.held);
    let came_from = stored.as_ref().and_then(|s| s.came_from.clone());
    json(&ReferencePage {
        document: kind,
        version,
        hash: held.map(|h| h.id.hash.to_string()),
        source: match (version, &came_from) {
            (None, _) if kind != DocumentKind::RateTables => "none",
            (_, Some(_)) => "peer",
            _ => source,
        }
        .to_owned(),
        came_from,
        fetched_at: held.map(|h| view.time(h.fetched_at)),
        fetched_by: held.map(|h| h.fetched_by.to_string()),
        age_s: held.map(|h| (kit::clock::now_ms() - h.fetched_at).div_euclid(1000)),
        etag: stored.as_ref().and_then(|s| s.here.etag.clone()),
        configured: false,
        stale: None,
        checked_at: None,
        answered_at: None,
        published: None,
        last_error: None,
        newest_known: version,
        behind: false,
        peers: Vec::new(),
        total: all.len() as u64,
        items,
        next_cursor: (next < all.len()).then(|| cursor::write(next as i64, &of)),
    })
}
