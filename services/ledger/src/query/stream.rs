//! `GET /api/parking/stream`: stored events in order of arrival here.
//!
//! A position is `epoch.arrival`: which time the writer lock was taken, and a number of that stretch. A database restored from
//! an older copy does not know the epochs after the copy, and gives their numbers anew: such a position answers `reset`.

use std::collections::HashMap;

use parking::history::EventRef;
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wire::bus::state::stream_position;
use wire::hash::PlateTag;
use wire::http::{StreamEvent, StreamPage};

use super::{NoAnswer, Reader, vehicles};
use crate::store::events;
use parking::world::reference;

fn position(epoch: Option<Uuid>, arrival: i64) -> String {
    stream_position(&epoch.unwrap_or_default().simple().to_string(), arrival.unsigned_abs())
}

/// The epoch an arrival number belongs to.
async fn epoch_of(conn: &mut PgConnection, arrival: i64) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar("select epoch from log_epochs where first_arrival <= $1 order by first_arrival desc, started_at desc limit 1")
        .bind(arrival.max(1))
        .fetch_optional(conn)
        .await
}

/// The arrival number of a position that is of this log; none when it is not.
async fn check(conn: &mut PgConnection, text: &str, newest: i64) -> Result<Option<i64>, sqlx::Error> {
    let Some((epoch, arrival)) = text.split_once('.') else { return Ok(None) };
    let (Ok(epoch), Ok(arrival)) = (Uuid::parse_str(epoch), arrival.parse::<i64>()) else { return Ok(None) };
    let ends: Option<i64> = sqlx::query_scalar(
        "select coalesce((select min(n.first_arrival) - 1 from log_epochs n
                          where (n.first_arrival, n.started_at) > (e.first_arrival, e.started_at)), $2)
         from log_epochs e where e.epoch = $1 and e.first_arrival <= $3 + 1",
    )
    .bind(epoch)
    .bind(newest)
    .bind(arrival)
    .fetch_optional(conn)
    .await?;
    Ok((ends.is_some_and(|e| arrival <= e)).then_some(arrival))
}

/// A page after a position; without one, the position of now.
pub(super) async fn page(reader: &Reader, after: Option<&str>, limit: u32) -> Result<StreamPage, NoAnswer> {
    let mut conn = reader.pool.acquire().await?;
    let newest: i64 = sqlx::query_scalar("select arrival from writer_head").fetch_one(&mut *conn).await?;
    let from = match after {
        None => Some(newest),
        Some(text) => check(&mut conn, text, newest).await?,
    };
    let Some(from) = from else {
        let now = position(epoch_of(&mut conn, newest).await?, newest);
        return Ok(StreamPage { events: Vec::new(), position: now, reset: true });
    };
    let rows = sqlx::query("select frame, arrival from events where arrival > $1 order by arrival limit $2")
        .bind(from)
        .bind(i64::from(limit.clamp(1, 500)))
        .fetch_all(&mut *conn)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for r in &rows {
        found.push((events::frame(r, 0)?, r.try_get::<i64, _>(1)?));
    }
    let mut tags: Vec<PlateTag> = found.iter().filter_map(|(f, _)| f.header().plate_tag).collect();
    tags.sort_unstable();
    tags.dedup();
    let (_, projection) = vehicles(&mut conn, &tags).await?;
    let mut names: HashMap<&EventRef, &str> = HashMap::new();
    for row in &projection.rows {
        names.extend(row.events.iter().map(|e| (e, row.event_id.as_str())));
    }
    let view = reader.shared.view();
    let last = found.last().map_or(from, |(_, a)| *a);
    let mut page =
        StreamPage { events: Vec::with_capacity(found.len()), position: String::new(), reset: false };
    let mut epoch = (i64::MIN, None);
    for (frame, arrival) in &found {
        if epoch.0 == i64::MIN {
            epoch = (*arrival, epoch_of(&mut conn, *arrival).await?);
        }
        let h = frame.header();
        let fact = ::writer::fact(frame).ok();
        let (edge_id, fee) = fact.as_ref().map(parking::fact::Fact::lane_and_fee).unwrap_or_default();
        page.events.push(StreamEvent {
            id: position(epoch.1, *arrival),
            kind: h.kind.to_string(),
            position: h.position.to_string(),
            central: h.position.stream.central.to_string(),
            edge_id,
            event_id: fact.and_then(|f| names.get(&reference(&f)).map(|s| (*s).to_owned())),
            occurred_at: view.time(h.occurred_at),
            fee,
        });
    }
    page.position = position(epoch_of(&mut conn, last).await?, last);
    Ok(page)
}
