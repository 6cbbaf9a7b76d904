//! A row of history as its columns hold it.

use parking::decision::{Site, timeout};
use parking::history::HistoryRow;
use sqlx::Row;
use sqlx::postgres::PgRow;
use wire::event::Credential;
use wire::hash::Hash32;
use wire::id::CentralId;

use crate::store::text;

/// A row of history as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub(super) event_id: String,
    pub(super) plate_tag: [u8; 16],
    pub(super) source_central: String,
    pub(super) edge_id: Option<String>,
    pub(super) sync_status: String,
    pub(super) lot_id: Option<String>,
    pub(super) plate: Option<String>,
    pub(super) plate_key: Option<String>,
    pub(super) vehicle_class: String,
    pub(super) status: String,
    pub(super) entry_time: Option<i64>,
    pub(super) confirmed_time: Option<i64>,
    pub(super) exit_time: Option<i64>,
    pub(super) exit_central: Option<String>,
    pub(super) exit_edge: Option<String>,
    pub(super) duration_s: Option<i64>,
    pub(super) fee: Option<i64>,
    pub(super) currency: String,
    pub(super) rate_table: Option<String>,
    pub(super) rate_table_version: Option<i64>,
    pub(super) flags: Vec<String>,
    pub(super) sorted_at: i64,
    pub(super) due_at: Option<i64>,
    pub(super) credential: Option<String>,
    pub(super) row_hash: [u8; 32],
}

impl Columns {
    /// The columns of a row.
    pub fn of(site: &Site<'_>, r: &HistoryRow, hash: Hash32) -> Self {
        let opt = |s: &Option<String>| s.as_deref().map(text);
        Self {
            event_id: text(&r.event_id),
            plate_tag: r.plate_tag.0,
            source_central: r.source_central.to_string(),
            edge_id: opt(&r.edge_id),
            sync_status: sync_status(site.central, &r.source_central).to_owned(),
            lot_id: opt(&r.lot_id),
            plate: opt(&r.plate),
            plate_key: opt(&r.plate_key),
            vehicle_class: text(&r.vehicle_class),
            status: r.status.as_str().to_owned(),
            entry_time: r.entry_time,
            confirmed_time: r.confirmed_time,
            exit_time: r.exit_time,
            exit_central: r.exit_central.as_ref().map(ToString::to_string),
            exit_edge: opt(&r.exit_edge),
            duration_s: r.duration_s,
            fee: r.fee,
            currency: text(&r.currency),
            rate_table: r.rate_table.as_ref().map(|t| text(&t.id)),
            rate_table_version: r.rate_table.as_ref().map(|t| t.version),
            flags: r.flags.iter().map(|f| text(&f.replace(',', ";"))).collect(),
            sorted_at: r.entry_time.or(r.exit_time).unwrap_or(r.received_at),
            due_at: timeout::due_at(r, site),
            credential: r.credential.as_ref().map(credential),
            row_hash: hash.0,
        }
    }

    /// Reads a row.
    pub(super) fn read(r: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            event_id: r.try_get("event_id")?,
            plate_tag: r.try_get("plate_tag")?,
            source_central: r.try_get("source_central")?,
            edge_id: r.try_get("edge_id")?,
            sync_status: r.try_get("sync_status")?,
            lot_id: r.try_get("lot_id")?,
            plate: r.try_get("plate")?,
            plate_key: r.try_get("plate_key")?,
            vehicle_class: r.try_get("vehicle_class")?,
            status: r.try_get("status")?,
            entry_time: r.try_get("entry_time")?,
            confirmed_time: r.try_get("confirmed_time")?,
            exit_time: r.try_get("exit_time")?,
            exit_central: r.try_get("exit_central")?,
            exit_edge: r.try_get("exit_edge")?,
            duration_s: r.try_get("duration_s")?,
            fee: r.try_get("fee")?,
            currency: r.try_get("currency")?,
            rate_table: r.try_get("rate_table")?,
            rate_table_version: r.try_get("rate_table_version")?,
            flags: r.try_get("flags")?,
            sorted_at: r.try_get("sorted_at")?,
            due_at: r.try_get("due_at")?,
            credential: r.try_get("credential")?,
            row_hash: r.try_get("row_hash")?,
        })
    }
}

/// A card, QR code, e-tag or pass as the column holds it.
pub fn credential(c: &Credential) -> String {
    text(&format!("{}:{}", c.kind, c.id))
}

/// `LOCAL` when this central is the origin.
pub fn sync_status(this: &CentralId, source: &CentralId) -> &'static str {
    if this == source { "LOCAL" } else { "SYNCED" }
}
