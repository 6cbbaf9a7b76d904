//! `GET /api/parking/history`

use parking::plate::PlateKey;
use parking::view::View;
use sqlx::Row;
use sqlx::postgres::PgRow;
use wire::hash::PlateTag;
use wire::http::{Page, RateTableView, Session, SessionStatus};

use super::{NoAnswer, Reader, bad_field, cursor};
use crate::store::StoreError;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Filter {
    tag: Option<PlateTag>,
    statuses: Option<Vec<String>>,
    from: Option<i64>,
    to: Option<i64>,
    central: Option<String>,
    lot_id: Option<String>,
    flags: Option<Vec<String>>,
}

impl Filter {
    /// Checks and reads it.
    pub(super) fn new(
        reader: &Reader,
        plate: Option<String>,
        statuses: Vec<String>,
        from: Option<i64>,
        to: Option<i64>,
        central: Option<String>,
        lot_id: Option<String>,
    ) -> Result<Self, NoAnswer> {
        if statuses.iter().any(|s| SessionStatus::from_name(s).is_none()) {
            return Err(bad_field("status", "unknown_status", "must be a status of a session"));
        }
        let tag = plate.map(|p| tag_of(reader, &p)).transpose()?;
        Ok(Self {
            tag,
            statuses: (!statuses.is_empty()).then_some(statuses),
            from,
            to,
            central: central.map(|c| crate::store::text(&c)),
            lot_id: lot_id.map(|l| crate::store::text(&l)),
            flags: None,
        })
    }

    /// Only sessions with any of these flags; none of them = all.
    pub(super) fn with_flags(self, flags: &[String]) -> Self {
        let flags = flags.iter().map(|f| crate::store::text(f)).collect::<Vec<_>>();
        Self { flags: (!flags.is_empty()).then_some(flags), ..self }
    }
}

/// The tag of a plate in any writing. A generated key of a vehicle without a plate is taken as it is; a plate nobody can have
/// finds nothing.
pub(super) fn tag_of(reader: &Reader, plate: &str) -> Result<PlateTag, NoAnswer> {
    Ok(key_of(reader, plate)?.1)
}

/// The same with the plate's key.
pub(super) fn key_of(reader: &Reader, plate: &str) -> Result<(Option<PlateKey>, PlateTag), NoAnswer> {
    let read =
        parking::plate::read(plate, &[]).map_err(|e| bad_field("plate", "too_long", &e.to_string()))?;
    let tag = reader.shared.tag(read.key.as_ref().map_or("", |k| k.as_str()));
    Ok((read.key, tag))
}

/// One page, newest first.
pub(super) async fn page(
    reader: &Reader,
    filter: &Filter,
    limit: u32,
    after: Option<&str>,
) -> Result<Page<Session>, NoAnswer> {
    let limit = i64::from(limit.clamp(1, 500));
    let (at, id) = match after.map(cursor::read).transpose()? {
        Some((at, id)) => (Some(at), Some(id)),
        None => (None, None),
    };
    let mut conn = reader.pool.acquire().await?;
    let rows = sqlx::query(
        "select event_id, source_central, edge_id, sync_status, plate, plate_key, vehicle_class, status, entry_time,
                confirmed_time, exit_time, exit_central, exit_edge, duration_s, fee, currency, rate_table, rate_table_version,
                flags, sorted_at, lot_id
         from history
         where ($1::bytea is null or plate_tag = $1)
           and ($2::text[] is null or status = any($2))
           and ($3::int8 is null or sorted_at >= $3)
           and ($4::int8 is null or sorted_at < $4)
           and ($5::text is null or source_central = $5 or exit_central = $5)
           and ($10::text[] is null or flags && $10)
           and ($6::int8 is null or (sorted_at, event_id) < ($6, $7 collate \"C\"))
           and ($9::text is null or lot_id = $9)
         order by sorted_at desc, event_id desc limit $8",
    )
    .bind(filter.tag.map(|t| t.0))
    .bind(filter.statuses.as_deref())
    .bind(filter.from)
    .bind(filter.to)
    .bind(filter.central.as_deref())
    .bind(at)
    .bind(id)
    .bind(limit + 1)
    .bind(filter.lot_id.as_deref())
    .bind(filter.flags.as_deref())
    .fetch_all(&mut *conn)
    .await?;
    let view = reader.shared.view();
    let mut items = Vec::with_capacity(rows.len());
    for r in rows.iter().take(limit as usize) {
        items.push(session(r, &view)?);
    }
    let next_cursor = match (rows.len() as i64 > limit, rows.get(limit as usize - 1)) {
        (true, Some(last)) => Some(cursor::write(last.try_get(19)?, last.try_get(0)?)),
        _ => None,
    };
    Ok(Page { items, next_cursor })
}

/// *Session* of a stored row.
fn session(r: &PgRow, view: &View) -> Result<Session, NoAnswer> {
    let status: &str = r.try_get(7)?;
    let time = |i: usize| -> Result<Option<String>, sqlx::Error> {
        Ok(r.try_get::<Option<i64>, _>(i)?.map(|t| view.time(t)))
    };
    let rate_table = match (r.try_get::<Option<String>, _>(16)?, r.try_get::<Option<i64>, _>(17)?) {
        (Some(id), Some(version)) => Some(RateTableView { id, version }),
        _ => None,
    };
    Ok(Session {
        event_id: r.try_get(0)?,
        source_central: r.try_get(1)?,
        edge_id: r.try_get(2)?,
        lot_id: r.try_get(20)?,
        sync_status: r.try_get(3)?,
        plate: r.try_get(4)?,
        plate_key: r.try_get(5)?,
        vehicle_class: r.try_get(6)?,
        status: SessionStatus::from_name(status)
            .ok_or_else(|| StoreError::Damaged(format!("history.status {status}")))?,
        entry_time: time(8)?,
        confirmed_time: time(9)?,
        exit_time: time(10)?,
        exit_central: r.try_get(11)?,
        exit_edge: r.try_get(12)?,
        duration_s: r.try_get(13)?,
        fee: r.try_get(14)?,
        currency: r.try_get(15)?,
        rate_table,
        flags: r.try_get(18)?,
    })
}
