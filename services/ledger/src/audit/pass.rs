//! The passes: the last two days again and again, the rest in rotation. Each statement is followed by a pause many times its
//! length, so that lanes never wait for the audit.

use std::collections::BTreeSet;
use std::time::Duration;

use replication::audit::{Fault, day_of};
use replication::keeping::{Month, NO_MONTH};
use replication::positions::StreamPositions;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::{Instant, sleep, sleep_until};
use wire::audit::CHUNK;
use wire::hash::PlateTag;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

use super::log::{self, Map};
use super::state::{Name, Open};
use super::{Auditor, name, rows, step, waits_for_holder};
use crate::store::{StoreError, findings, months};
use crate::writer::next_tags;
use crate::writer::repair::Step;

/// Between the beginnings of two passes over the last two days, a quarter more or less.
const EVERY: Duration = Duration::from_secs(12);
/// Chunks at the end of a stream that are looked at although they were never seen.
const TAIL: u64 = 8;
/// Chunks of one statement.
const UNIT: usize = 32;
/// A pause is so many times as long as the work before it: 4 % of one connection at most for what is recent …
const RECENT_PAUSE: u32 = 24;
/// … and 2 % for what is older, …
const OLDER_PAUSE: u32 = 49;
/// … 10 % the first time: nobody has looked at it since this ledger began.
const FIRST_PAUSE: u32 = 9;
/// … which is no reason to go through a small log again and again: after the first time a step waits at least so long. A large one
/// takes what the pause above leaves it: ten million events are 600 steps.
const STEP: Duration = Duration::from_secs(2);
/// Vehicles compared at once: a few ms, for which a lane may wait.
const VEHICLES: usize = 32;
/// Comparisons of vehicles in one pass over the last two days …
const BATCHES: usize = 96;
/// … and while lanes and peers leave no time for more: a pass has to come to its end, so that what it looks at first is looked at again.
const PRESSED_BATCHES: usize = 16;
/// Pauses are so many times as long meanwhile: a statement that waits for a processor among sixty processes seems to work all the time.
const PRESSED: u32 = 8;
/// No pause is longer: a pass over a few hundred thousand events still takes less than a minute, …
const LONGEST: Duration = Duration::from_secs(5);
/// … and two while lanes and peers press.
const LONGEST_PRESSED: Duration = Duration::from_secs(10);
/// Rows are not made again from a log that waits for events of its own to come back, ms.
const WAIT_FOR_EVENTS_MS: i64 = 120_000;
/// A name that two vehicles share is made again so often and then left alone.
const CONTESTED: u32 = 5;
const DAY_MS: i64 = 86_400_000;

/// What a pass found and looked at.
#[derive(Default)]
struct Pass {
    steps: Vec<Step>,
    verified: BTreeSet<(StreamId, u64)>,
    chunks: u64,
}

/// Where the rotation stands.
#[derive(Default)]
struct Rotation {
    began: Option<Instant>,
    /// Streams left, by number.
    streams: Vec<i32>,
    /// Chunks of the running stream left below this one.
    below: Option<u64>,
    rows: bool,
    after: Option<PlateTag>,
}

impl Auditor {
    /// Passes until the stop. Only the ledger that writes audits.
    pub(super) async fn passes(self) -> anyhow::Result<()> {
        let token = self.inner.shared.shutdown.token();
        let mut writer = self.inner.writer.clone();
        let (mut loaded, mut rotation, mut asked) = (false, Rotation::default(), false);
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                seen = writer.wait_for(|w| w.writing) => drop(seen?),
            }
            let began = Instant::now();
            let round = async {
                if !loaded {
                    self.load_open().await?;
                    loaded = true;
                }
                self.recent(asked).await
            };
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                done = round => if let Err(e) = done {
                    tracing::warn!(error = %e, "a pass of the audit broke off");
                },
            }
            // Machines that were started together do not go on together: where they share a disk or a processor, that would be felt.
            let every = EVERY.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            let next = (began + every).max(Instant::now() + EVERY / 4);
            asked = false;
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = self.inner.kick.notified() => asked = true,
                () = sleep_until(next) => {}
                () = self.older(&mut rotation) => {}
            }
        }
    }

    /// What stood before this process.
    async fn load_open(&self) -> Result<(), StoreError> {
        let mut conn = self.inner.pool.acquire().await?;
        let all = findings::load(&mut conn, true, super::MAX_OPEN as i64).await?;
        let mut s = self.state();
        for f in all {
            let at = f.at.as_ref().and_then(|(stream, seq)| position_of(stream, *seq));
            if waits_for_holder(&f.what)
                && let Some(at) = &at
            {
                s.wanted.entry(at.clone()).or_default();
            }
            let open = Open { id: f.id, since: f.found_at, detail: f.detail, at, tag: f.tag };
            s.open.insert((f.what, f.place), open);
        }
        Ok(())
    }

    /// A pass over the last two days; `all`: with the growing ends of streams.
    async fn recent(&self, all: bool) -> Result<(), StoreError> {
        let began = Instant::now();
        self.state().passes += 1;
        let since = day_of(kit::clock::now_ms()) - 1;
        let mut conn = self.inner.pool.acquire().await?;
        let map = Map::read(&mut conn).await?;
        let with_events = log::numbers_with_events(&mut conn).await?;
        let mut pass = Pass::default();
        self.lost_streams(&mut conn, &map, &with_events, &mut pass).await?;
        for (number, row) in &map.rows {
            let Ok((stream, held)) = row else { continue };
            let last = log::last_row(&mut conn, *number).await?;
            let mut chunks = self.state().book.since(stream, since);
            if last > 0 {
                let end = (last - 1) / CHUNK;
                let (now, mut s) = (self.now(), self.state());
                chunks.extend(
                    (end.saturating_sub(TAIL - 1)..=end).filter(|c| s.book.seen(stream, *c).is_none()),
                );
                let moved =
                    |c: &u64| s.book.seen(stream, *c).is_some_and(|b| b.map != map.print(*number, held, *c));
                chunks.extend((0..=end).filter(moved));
                if s.tails.leave(*number, held.head(), now, all) {
                    chunks.remove(&end);
                    s.book.grows(stream, now);
                }
            }
            if !chunks.is_empty() || held.head() > last {
                self.chunks(&mut conn, *number, &chunks, RECENT_PAUSE, &mut pass).await?;
            }
        }
        {
            let mut s = self.state();
            s.book.keep(|id| map.rows.values().flatten().any(|(known, _)| known == id));
        }
        self.finish(&mut conn, &mut pass).await?;
        self.recent_rows(&mut conn, since).await?;
        let ms = began.elapsed().as_millis() as u64;
        let (mut s, now) = (self.state(), kit::clock::now_ms());
        s.progress.recent_at = Some(now);
        s.progress.recent_ms = Some(ms);
        s.progress.recent_chunks = pass.chunks;
        let diverged = s
            .exchange
            .standings()
            .filter(|(_, _, st)| st.state == replication::audit::Compared::Differs)
            .count();
        self.inner.metrics.pass(ms, s.book.size().1, s.open.len(), diverged);
        Ok(())
    }

    /// Streams whose own row is gone or cannot be read: their events still say which they are.
    async fn lost_streams(
        &self,
        conn: &mut PgConnection,
        map: &Map,
        with_events: &BTreeSet<i32>,
        pass: &mut Pass,
    ) -> Result<(), StoreError> {
        for number in with_events {
            let why = match map.rows.get(number) {
                None => "events are there and the stream is not listed".to_owned(),
                Some(Err(why)) => why.clone(),
                Some(Ok(_)) => continue,
            };
            // Another transaction may have listed it meanwhile.
            let again = Map::read(conn).await?;
            if matches!(again.rows.get(number), Some(Ok(_))) {
                continue;
            }
            let rows = log::rows(conn, map, *number, (1, CHUNK)).await?;
            if let Some(f) = rows.iter().find_map(|r| r.frame.as_ref().ok()) {
                pass.steps.push(step::of_stream(*number, &f.header().position.stream, why));
            }
        }
        Ok(())
    }

    /// Looks at some chunks of a stream, a unit at a time, each in a snapshot of its own.
    async fn chunks(
        &self,
        conn: &mut PgConnection,
        number: i32,
        chunks: &BTreeSet<u64>,
        pause: u32,
        pass: &mut Pass,
    ) -> Result<(), StoreError> {
        let all: Vec<u64> = chunks.iter().copied().collect();
        let mut units: Vec<BTreeSet<u64>> = Vec::new();
        for c in all {
            match units.last_mut() {
                Some(u) if u.len() < UNIT && u.last().is_some_and(|l| l + 1 == c) => {
                    u.insert(c);
                }
                _ => units.push(BTreeSet::from([c])),
            }
        }
        if units.is_empty() {
            units.push(BTreeSet::new());
        }
        for (i, unit) in units.iter().enumerate() {
            let began = Instant::now();
            let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
            let map = Map::read(&mut tx).await?;
            let Some(Ok((stream, held))) = map.rows.get(&number) else { return Ok(()) };
            let known = |id: &StreamId, c: u64| self.state().book.seen(id, c).map(|s| (s.rows, s.map));
            let looked = log::look(&mut tx, &map, number, unit, known).await?;
            let mut faults = looked.faults;
            if i + 1 == units.len() {
                let last = log::last_row(&mut tx, number).await?;
                let beyond = Fault::Missing { from: last + 1, to: held.head() };
                if held.head() > last && !faults.contains(&beyond) {
                    faults.push(beyond);
                }
            }
            let mut steps = steps_of(&map, number, (stream, held), &faults);
            for s in &mut steps {
                s.finding.tag = tag_at(&mut tx, s).await?;
            }
            tx.rollback().await?;
            pass.chunks += unit.len() as u64;
            pass.steps.append(&mut steps);
            {
                let (now, mut s) = (self.now(), self.state());
                for (chunk, seen) in looked.seen {
                    pass.verified.insert((stream.clone(), chunk));
                    s.book.put(stream, chunk, seen, now);
                }
            }
            self.rest(began, pause).await;
        }
        Ok(())
    }

    /// Has what was found cured, and closes what is found no more.
    async fn finish(&self, conn: &mut PgConnection, pass: &mut Pass) -> Result<(), StoreError> {
        let steps = std::mem::take(&mut pass.steps);
        let current: BTreeSet<Name> = steps.iter().map(name).collect();
        if !steps.is_empty() {
            self.cure(steps).await;
        }
        let (mut gone, mut missing) = (Vec::new(), Vec::new());
        for (n, o) in self.state().open.iter().filter(|(n, _)| !current.contains(*n)) {
            match &o.at {
                Some(at) if n.0 == "event_missing" => missing.push((n.clone(), o.id, at.clone())),
                Some(at) if pass.verified.contains(&(at.stream.clone(), (at.seq - 1) / CHUNK)) => {
                    gone.push((n.clone(), o.id, "whole again".to_owned()));
                }
                None if n.0 == "stream" || n.0 == "stream_months" => {
                    gone.push((n.clone(), o.id, "events".to_owned()))
                }
                _ => {}
            }
        }
        for (n, id, at) in missing {
            if is_back(conn, &n.1, &at).await? {
                gone.push((n, id, "catch-up".to_owned()));
            }
        }
        self.close(gone).await;
        Ok(())
    }

    async fn close(&self, gone: Vec<(Name, i64, String)>) {
        if gone.is_empty() {
            return;
        }
        let closed = gone.iter().map(|(_, id, by)| (*id, by.clone())).collect();
        if self.repair(Vec::new(), closed).await.is_none() {
            return;
        }
        let mut s = self.state();
        for (n, _, by) in &gone {
            if let Some(at) = s.open.remove(n).and_then(|o| o.at) {
                s.wanted.remove(&at);
            }
            tracing::info!(what = %n.0, place = %n.1, %by, "as it was written again");
        }
        drop(s);
        self.inner.metrics.repaired(gone.len());
    }

    /// Rows of the last two days that are not as they were when they were compared last.
    async fn recent_rows(&self, conn: &mut PgConnection, since: i32) -> Result<(), StoreError> {
        let mut prints = rows::Prints::new();
        for page in rows::PAGES {
            let mut before = i64::MAX;
            loop {
                let began = Instant::now();
                let looked = (i64::from(since) * DAY_MS, before);
                let Some(last) = rows::print(conn, page, looked, &mut prints).await? else { break };
                before = last;
                self.rest(began, RECENT_PAUSE).await;
            }
        }
        let mut changed: Vec<PlateTag> = {
            let s = self.state();
            let now = kit::clock::now_ms();
            let waits = |o: &Open| o.at.is_some() && now - o.since < WAIT_FOR_EVENTS_MS;
            if s.open.values().any(waits) {
                return Ok(());
            }
            // A vehicle with a damaged event keeps the rows it has.
            let damaged: BTreeSet<PlateTag> = s.open.values().filter_map(|o| o.tag).collect();
            let differs = prints.iter().filter(|(t, p)| s.rows.get(*t) != Some(*p)).map(|(t, _)| *t);
            let gone = s.rows.keys().filter(|t| !prints.contains_key(*t)).copied();
            differs.chain(gone).filter(|t| !damaged.contains(t)).collect()
        };
        let batches = if self.inner.lanes.is_pressed() { PRESSED_BATCHES } else { BATCHES };
        changed.truncate(batches * VEHICLES);
        for some in changed.chunks(VEHICLES) {
            let tags: BTreeSet<PlateTag> = some.iter().copied().collect();
            let began = Instant::now();
            if !self.compare_rows(conn, &tags, Some(&prints)).await? {
                return Ok(());
            }
            self.rest(began, RECENT_PAUSE).await;
        }
        Ok(())
    }

    /// Compares the rows of some vehicles with their events. False while the tables are being made anew.
    async fn compare_rows(
        &self,
        conn: &mut PgConnection,
        tags: &BTreeSet<PlateTag>,
        prints: Option<&rows::Prints>,
    ) -> Result<bool, StoreError> {
        let Some(compared) = rows::compare(conn, &self.inner.shared, tags).await? else { return Ok(false) };
        let steps: Vec<Step> = {
            let s = self.state();
            let left_alone = |f: &Step| s.contested.get(&name(f)).is_some_and(|c| c.times() >= CONTESTED);
            step::of_rows(&compared.faults, &compared.tags).into_iter().filter(|f| !left_alone(f)).collect()
        };
        if !steps.is_empty() {
            self.cure(steps).await;
            return Ok(true);
        }
        if let Some(prints) = prints {
            let mut s = self.state();
            for tag in tags {
                match prints.get(tag) {
                    Some(p) => s.rows.insert(*tag, *p),
                    None => s.rows.remove(tag),
                };
            }
        }
        Ok(true)
    }

    /// The rotation over everything, newest streams first; ends only when it is broken off or something failed.
    async fn older(&self, at: &mut Rotation) {
        loop {
            let began = Instant::now();
            if let Err(e) = self.rotate(at).await {
                tracing::warn!(error = %e, "the audit's rotation broke off");
                // It goes on where it was when the next pass is over.
                std::future::pending::<()>().await;
            }
            let first = self.state().progress.full_at.is_none();
            let pause = began.elapsed() * if first { FIRST_PAUSE } else { OLDER_PAUSE };
            let least = if first { Duration::from_millis(20) } else { STEP };
            sleep(pause.clamp(least, LONGEST)).await;
        }
    }

    /// The pause after some work.
    async fn rest(&self, began: Instant, pause: u32) {
        let (times, longest) = match self.inner.lanes.is_pressed() {
            true => (pause * PRESSED, LONGEST_PRESSED),
            false => (pause, LONGEST),
        };
        sleep((began.elapsed() * times).min(longest)).await;
    }

    async fn rotate(&self, at: &mut Rotation) -> Result<(), StoreError> {
        let mut conn = self.inner.pool.acquire().await?;
        if at.began.is_none() {
            *at = Rotation { began: Some(Instant::now()), ..Rotation::default() };
            at.streams = log::numbers_with_events(&mut conn).await?.into_iter().collect();
        }
        if at.rows {
            return self.rotate_rows(&mut conn, at).await;
        }
        let Some(number) = at.streams.last().copied() else {
            let took = at.began.map_or(0, |b| b.elapsed().as_secs());
            let mut s = self.state();
            s.progress.full_at = Some(kit::clock::now_ms());
            s.progress.full_s = Some(took);
            at.rows = true;
            return Ok(());
        };
        let below = match at.below {
            Some(n) => n,
            None => log::last_row(&mut conn, number).await?.div_ceil(CHUNK),
        };
        let from = below.saturating_sub(UNIT as u64);
        let chunks: BTreeSet<u64> = (from..below).collect();
        let mut pass = Pass::default();
        self.chunks(&mut conn, number, &chunks, 0, &mut pass).await?;
        self.finish(&mut conn, &mut pass).await?;
        at.below = Some(from);
        if from == 0 {
            self.count_months(&mut conn, number).await?;
            at.streams.pop();
            at.below = None;
        }
        Ok(())
    }

    /// What is listed of a stream's months is what is filed there. Where a look would miss a row, the row itself says so; this is
    /// about the rest: counts, and months without any row.
    async fn count_months(&self, conn: &mut PgConnection, number: i32) -> Result<(), StoreError> {
        let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
        let map = Map::read(&mut tx).await?;
        let counted = months::counted(&mut tx, number).await?;
        tx.rollback().await?;
        let Some(Ok((stream, _))) = map.rows.get(&number) else { return Ok(()) };
        // Month 0 holds rows that the release before did not count.
        let differ =
            |m: &&Month| **m != NO_MONTH && map.months(number).and_then(|l| l.get(*m)) != counted.get(*m);
        let listed = map.months(number).into_iter().flat_map(|l| l.keys());
        let wrong: BTreeSet<Month> = listed.chain(counted.keys()).filter(differ).copied().collect();
        if !wrong.is_empty() {
            self.cure(vec![step::of_months(number, stream, &wrong)]).await;
        }
        Ok(())
    }

    async fn rotate_rows(&self, conn: &mut PgConnection, at: &mut Rotation) -> Result<(), StoreError> {
        let waits = self.state().open.values().any(|o| o.at.is_some());
        let tags: BTreeSet<PlateTag> = next_tags(conn, at.after, VEHICLES).await?;
        let Some(last) = tags.last().copied() else {
            let mut s = self.state();
            s.progress.rows_at = Some(kit::clock::now_ms());
            s.progress.vehicles = 0;
            *at = Rotation::default();
            return Ok(());
        };
        if !waits {
            self.compare_rows(conn, &tags, None).await?;
        }
        at.after = Some(last);
        self.state().progress.vehicles += tags.len() as u64;
        Ok(())
    }
}

/// The steps some faults ask for. Where all events of a stream say that it is another one, it is the stream's row that is wrong.
fn steps_of(
    map: &Map,
    number: i32,
    (stream, held): (&StreamId, &StreamPositions),
    faults: &[Fault],
) -> Vec<Step> {
    let other = faults.iter().find_map(|f| match f {
        Fault::Misplaced { seq, says, .. } if says.seq == *seq && says.stream != *stream => {
            Some(&says.stream)
        }
        _ => None,
    });
    if let Some(other) = other
        && !map.rows.values().flatten().any(|(id, _)| id == other)
    {
        return vec![step::of_stream(number, other, format!("it is listed as {stream}"))];
    }
    faults.iter().map(|f| step::of_fault(number, stream, held, f)).collect()
}

/// The vehicle of the row a finding is about.
async fn tag_at(conn: &mut PgConnection, s: &Step) -> Result<Option<PlateTag>, StoreError> {
    let findings::Evidence::Event { stream, seq, branch } = s.finding.evidence else { return Ok(None) };
    let row = sqlx::query("select plate_tag from events where stream = $1 and seq = $2 and branch = $3")
        .bind(stream)
        .bind(seq)
        .bind(branch)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let tag: Option<&[u8]> = row.try_get(0)?;
    Ok(tag.and_then(PlateTag::from_slice))
}

/// True when every event of a missing range is there again.
async fn is_back(conn: &mut PgConnection, place: &str, at: &Position) -> Result<bool, StoreError> {
    let range = place.rsplit_once('/').map_or("", |(_, r)| r);
    let from: u64 = range.split('-').next().and_then(|n| n.parse().ok()).unwrap_or(at.seq);
    let ids = crate::store::streams::ids(conn, std::slice::from_ref(&at.stream)).await?;
    let Some(number) = ids.get(&at.stream) else { return Ok(false) };
    let there: i64 = sqlx::query_scalar(
        "select count(distinct seq) from events where stream = $1 and seq between $2 and $3",
    )
    .bind(number)
    .bind(from as i64)
    .bind(at.seq as i64)
    .fetch_one(conn)
    .await?;
    Ok(there as u64 == at.seq - from + 1)
}

/// Reads `central/incarnation`.
fn position_of(stream: &str, seq: i64) -> Option<Position> {
    let (central, incarnation) = stream.split_once('/')?;
    let incarnation = Incarnation(u128::from_str_radix(incarnation, 16).ok()?);
    let stream = StreamId { central: CentralId::new(central).ok()?, incarnation };
    Some(Position { stream, seq: u64::try_from(seq).ok()? })
}

/// Days are few: their number as people write it.
pub(super) fn day_text(day: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch
        .checked_add(jiff::Span::new().days(day.clamp(-700_000, 2_900_000)))
        .map_or_else(|_| day.to_string(), |d| d.to_string())
}
