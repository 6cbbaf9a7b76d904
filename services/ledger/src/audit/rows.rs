//! History and conflicts beside the events they are made of. Postgres makes a print of the rows of each vehicle; the vehicles
//! whose print changed are projected anew and compared column by column.

use std::collections::{BTreeSet, HashMap};

use futures_util::TryStreamExt as _;
use parking::decision::Site;
use parking::history::PROJECTION_VERSION;
use parking::reference::Reference;
use sqlx::{Connection, PgConnection, Row};
use wire::hash::PlateTag;

use crate::shared::Shared;
use crate::store::{StoreError, projection};
use crate::verify::rows::{self, Compared, Seen};

/// A page of rows: some ms of Postgres' time.
macro_rules! page {
    ($columns:literal, $table:literal, $at:literal) => {
        concat!(
            "select plate_tag, ",
            $columns,
            " from ",
            $table,
            " where ",
            $at,
            " >= $1 and ",
            $at,
            " < $2 order by ",
            $at,
            " desc fetch first 1000 rows with ties"
        )
    };
}

/// Pages of history and of conflicts, the newest rows first. Rows of one moment are never parted.
pub(super) const PAGES: [&str; 2] = [
    page!("hash_record_extended(h, 1), sorted_at", "history h", "sorted_at"),
    page!("hash_record_extended(c, 2), detected_at", "conflicts c", "detected_at"),
];

/// A print of the rows of each vehicle that has any among those looked at.
pub(super) type Prints = HashMap<PlateTag, i64>;

/// Prints one of [`PAGES`]: rows of `since` (ms) or later and before `before`. Answers where the next one ends; none after the last. Vehicles
/// whose tag is no tag are left out: the vehicle the row was taken from lacks it.
///
/// A day's rows all at once took the longer, the more cars the day had, and at that time lanes waited; with what changes between two pages
/// a vehicle is compared once more than it need be.
pub(super) async fn print(
    conn: &mut PgConnection,
    page: &'static str,
    (since, before): (i64, i64),
    prints: &mut Prints,
) -> Result<Option<i64>, StoreError> {
    let mut rows = sqlx::query(page).bind(since).bind(before).fetch(conn);
    let mut last = None;
    while let Some(r) = rows.try_next().await? {
        last = Some(r.try_get(2)?);
        if let Some(tag) = PlateTag::from_slice(r.try_get(0)?) {
            let print = prints.entry(tag).or_default();
            *print = print.wrapping_add(r.try_get(1)?);
        }
    }
    Ok(last)
}

/// Compares the rows of some vehicles with their events, in one snapshot. None while the tables are being made anew, or lack
/// stored events.
pub(super) async fn compare(
    conn: &mut PgConnection,
    shared: &Shared,
    tags: &BTreeSet<PlateTag>,
) -> Result<Option<Compared>, StoreError> {
    let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
    let kept = projection::state(&mut tx).await?;
    if kept.version != PROJECTION_VERSION || kept.stale || kept.behind.is_some() {
        return Ok(None);
    }
    let policies = crate::query::policies(&mut tx).await?;
    let reference = Reference::default();
    let site = Site {
        central: &shared.central,
        operator_key: &shared.operator_key,
        clock_offset_ms: 0,
        reference: &reference,
        policies: &policies,
        rights: parking::rights::Rights::default(),
    };
    let compared = rows::of_tags(&mut tx, &site, tags, &mut Seen::default()).await?;
    tx.rollback().await?;
    Ok(Some(compared))
}
