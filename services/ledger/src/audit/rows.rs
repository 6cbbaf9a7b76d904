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

/// A print of the rows of each vehicle that has rows of this moment (ms) or later. Vehicles whose tag is no tag are left out: the
/// vehicle the row was taken from lacks it.
pub(super) async fn prints(
    conn: &mut PgConnection,
    since: i64,
) -> Result<HashMap<PlateTag, i64>, StoreError> {
    // Row by row: all at once they were the most this process ever held, and the more, the more cars a day had.
    let mut rows = sqlx::query(
        "select plate_tag, bit_xor(print), count(*) from
           (select plate_tag, hash_record_extended(h, 1) as print from history h where sorted_at >= $1
            union all select plate_tag, hash_record_extended(c, 2) from conflicts c where detected_at >= $1) as p
         group by plate_tag",
    )
    .bind(since)
    .fetch(conn);
    let mut out = HashMap::new();
    while let Some(r) = rows.try_next().await? {
        if let Some(tag) = PlateTag::from_slice(r.try_get(0)?) {
            let (print, count): (i64, i64) = (r.try_get(1)?, r.try_get(2)?);
            out.insert(tag, print.wrapping_add(count));
        }
    }
    Ok(out)
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
