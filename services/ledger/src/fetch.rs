//! Reads from the log for sync and mesh, from the read pool: never behind the writer.

use kit::Incoming;
use serde_bytes::ByteBuf;
use sqlx::{PgConnection, PgPool, Row};
use wire::bus::events::{Fetch, Fetched, decode, encode};
use wire::hash::{CommandId, PlateTag};
use wire::position::SeqRange;

use crate::store::closure;
use crate::store::{StoreError, events, streams};

/// Bytes of frames in one answer at most: the bus takes 768 KiB.
const MAX_BYTES: usize = 600 * 1024;
/// Events read from Postgres at once.
const STEP: i64 = 1000;
/// Ranges of one question at most.
const MAX_RANGES: usize = 4096;

/// Answers one question.
pub async fn answer(pool: &PgPool, incoming: Incoming) {
    let fetched = match decode::<Fetch>(&incoming.payload) {
        Err(e) => Fetched::Unavailable(e.to_string()),
        Ok(fetch) => match read_from(pool, fetch).await {
            Ok(f) => f,
            Err(e) => {
                tracing::warn!(error = %e, "fetch failed");
                Fetched::Unavailable("the ledger cannot read now".to_owned())
            }
        },
    };
    match encode(&fetched) {
        Ok(b) => incoming.reply(b).await,
        Err(e) => tracing::error!(error = %e, "answer could not be encoded"),
    }
}

async fn read_from(pool: &PgPool, fetch: Fetch) -> Result<Fetched, StoreError> {
    let mut conn = pool.acquire().await?;
    read(&mut conn, fetch).await
}

/// Reads what one question asks for.
pub async fn read(conn: &mut PgConnection, fetch: Fetch) -> Result<Fetched, StoreError> {
    match fetch {
        Fetch::Holdings { after, limit } => {
            let (streams, more) = streams::page(conn, after.as_ref(), limit).await?;
            Ok(Fetched::Holdings { streams, more })
        }
        Fetch::Ranges { ranges, max_events, max_bytes } => {
            let bound =
                Bound { events: max_events.max(1) as usize, bytes: (max_bytes as usize).clamp(1, MAX_BYTES) };
            ranges_of(conn, &ranges, bound).await
        }
        Fetch::Plate { tag, max_events } => plate(conn, tag, max_events as usize).await,
        Fetch::Command { id } => command(conn, id).await,
        Fetch::Window { from, to, after, limit } => {
            let (runs, more) = streams::window(conn, (from, to), after.as_ref(), limit).await?;
            Ok(Fetched::Runs { runs, more })
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    events: usize,
    bytes: usize,
}

/// Frames up to a bound; what belongs together is in it whole, or not at all.
struct Page {
    frames: Vec<ByteBuf>,
    bytes: usize,
    bound: Bound,
    /// Where what belongs together begins: frames and bytes before it.
    whole: (usize, usize),
}

impl Page {
    fn new(bound: Bound) -> Self {
        Self { frames: Vec::new(), bytes: 0, bound, whole: (0, 0) }
    }

    /// What is pushed from now on belongs together.
    fn begin(&mut self) {
        self.whole = (self.frames.len(), self.bytes);
    }

    /// False when it does not fit any more: the page ends before all that belongs with it. What comes first always fits.
    fn push(&mut self, frame: Vec<u8>) -> bool {
        let fits = self.whole.0 == 0
            || (self.frames.len() < self.bound.events && self.bytes + frame.len() <= self.bound.bytes);
        if fits {
            self.bytes += frame.len() + 8;
            self.frames.push(ByteBuf::from(frame));
        } else {
            self.frames.truncate(self.whole.0);
            self.bytes = self.whole.1;
        }
        fits
    }

    /// One that belongs with no other.
    fn push_one(&mut self, frame: Vec<u8>) -> bool {
        self.begin();
        self.push(frame)
    }

    fn done(self, more: bool) -> Fetched {
        Fetched::Events { frames: self.frames, more }
    }
}

/// The events of these ranges, in range order, ascending, all branches of a fork together.
async fn ranges_of(
    conn: &mut PgConnection,
    ranges: &[SeqRange],
    bound: Bound,
) -> Result<Fetched, StoreError> {
    let mut wanted: Vec<_> = ranges.iter().map(|r| r.stream.clone()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let ids = streams::ids(conn, &wanted).await?;
    let mut page = Page::new(bound);
    for r in ranges.iter().take(MAX_RANGES) {
        let Some(stream) = ids.get(&r.stream) else { continue };
        let to = r.to.min(i64::MAX as u64) as i64;
        let mut after = (r.from.clamp(1, i64::MAX as u64) as i64 - 1, i16::MAX);
        loop {
            let limit = STEP.min(page.bound.events.saturating_sub(page.frames.len()) as i64 + 1);
            let rows = sqlx::query(
                "select seq, branch, frame from events where stream = $1 and (seq, branch) > ($2, $3) and seq <= $4
                 order by stream, seq, branch limit $5",
            )
            .bind(stream)
            .bind(after.0)
            .bind(after.1)
            .bind(to)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
            for row in &rows {
                let at: (i64, i16) = (row.try_get(0)?, row.try_get(1)?);
                if at.0 != after.0 {
                    page.begin();
                }
                after = at;
                if !page.push(events::frame_bytes(row, 2)?) {
                    return Ok(page.done(true));
                }
            }
            if (rows.len() as i64) < limit {
                break;
            }
        }
    }
    Ok(page.done(false))
}

/// All that a vehicle's fold needs, newest first.
async fn plate(conn: &mut PgConnection, tag: PlateTag, max: usize) -> Result<Fetched, StoreError> {
    let mut all = closure::frames(conn, tag).await?;
    all.sort_by(|a, b| b.rank().cmp(&a.rank()));
    let mut page = Page::new(Bound { events: max.max(1), bytes: MAX_BYTES });
    for f in all {
        if !page.push_one(f.bytes().to_vec()) {
            return Ok(page.done(true));
        }
    }
    Ok(page.done(false))
}

async fn command(conn: &mut PgConnection, id: CommandId) -> Result<Fetched, StoreError> {
    let mut page = Page::new(Bound { events: 100, bytes: MAX_BYTES });
    for f in events::of_commands(conn, &[id]).await? {
        page.push_one(f.bytes().to_vec());
    }
    Ok(page.done(false))
}
