//! Native logical replication: one cluster publishes the event log, another subscribes to it.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lab::cluster::Cluster;
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{COLUMNS, FRAME, cluster, run};

/// How long rows may take to get across.
const PATIENCE: Duration = Duration::from_secs(300);
/// The stream number of rows that are written one by one.
const SINGLE: i32 = 30_000;

/// Two clusters, the second a subscriber of the first.
pub(crate) struct Pair {
    /// Both run as long as this lives; the subscriber goes first.
    _to: Cluster,
    _from: Cluster,
    writer: PgConnection,
    reader: PgConnection,
    applied: mpsc::UnboundedReceiver<(i64, Instant)>,
    singles: i64,
    copies: i32,
}

/// What a catch-up took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaughtUp {
    /// From telling the subscriber to begin until the first row was there.
    pub(crate) until_first: Duration,
    /// From then until the last row was there.
    pub(crate) took: Duration,
}

impl Pair {
    pub(crate) async fn start(folder: &Path, ports: [u16; 2]) -> Result<Self> {
        let [port, other] = ports;
        let (from, mut writer) = cluster(folder, "publisher", port, "wal_level = logical\n").await?;
        let (to, mut reader) = cluster(folder, "subscriber", other, "wal_level = logical\n").await?;
        run(&mut writer, "create publication bench for table events").await?;
        // Durable before it counts as applied, as a central's commit is; the default leaves that for later.
        let subscribe = format!(
            "create subscription bench connection '{}' publication bench with (copy_data = false, synchronous_commit = 'on')",
            from.conninfo()
        );
        run(&mut reader, subscribe).await?;
        // Tells when a single row has been applied; bulk rows are not told.
        run(
            &mut reader,
            format!(
                "create function told() returns trigger language plpgsql as $$
                 begin perform pg_notify('applied', new.seq::text); return null; end $$;
                 create trigger told after insert on events for each row when (new.stream = {SINGLE}) execute function told();
                 alter table events enable always trigger told"
            ),
        )
        .await?;
        let mut listener = PgListener::connect(&to.url()).await.context("cannot listen")?;
        listener.listen("applied").await?;
        let (told, applied) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(note) = listener.recv().await {
                let at = Instant::now();
                let seq = note.payload().parse().unwrap_or_default();
                if told.send((seq, at)).is_err() {
                    return;
                }
            }
        });
        let mut pair = Self { _to: to, _from: from, writer, reader, applied, singles: 0, copies: 0 };
        pair.latencies(50.0, 0.2).await.context("the subscriber applies nothing")?;
        Ok(pair)
    }

    /// Writes single rows at a pace, each its own transaction; from the insert to visible at the subscriber, ms.
    pub(crate) async fn latencies(&mut self, rate: f64, seconds: f64) -> Result<Vec<f64>> {
        let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
        let rows = (rate * seconds).ceil() as usize;
        let mut begun: HashMap<i64, Instant> = HashMap::new();
        let (mut left, mut took) = (rows, Vec::with_capacity(rows));
        let month: i32 = sqlx::query_scalar(
            "select (extract(year from now() at time zone 'UTC')::int - 2000) * 12 + extract(month from now() at time zone 'UTC')::int",
        )
        .fetch_one(&mut self.writer)
        .await?;
        let deadline =
            Instant::now() + Duration::from_secs_f64(seconds) + PATIENCE.min(Duration::from_secs(30));
        while took.len() < rows {
            ensure!(Instant::now() < deadline, "{} of {rows} rows arrived", took.len());
            tokio::select! {
                biased;
                Some((seq, at)) = self.applied.recv() => {
                    let sent = begun.remove(&seq);
                    took.extend(sent.map(|sent: Instant| at.duration_since(sent).as_secs_f64() * 1000.0));
                }
                _ = ticks.tick(), if left > 0 => {
                    left -= 1;
                    self.singles += 1;
                    begun.insert(self.singles, Instant::now());
                    insert(&mut self.writer, self.singles, month).await?;
                }
                () = sleep(Duration::from_secs(1)) => {}
            }
        }
        Ok(took)
    }

    /// Writes these rows while the subscriber is away (so many in each transaction), then lets it catch up. `rows` are lines of `copy`,
    /// the stream first.
    pub(crate) async fn catch_up(&mut self, rows: &[Vec<u8>], in_each: usize) -> Result<CaughtUp> {
        run(&mut self.reader, "alter subscription bench disable").await?;
        self.wait_for_worker(false).await?;
        // The same rows once more are other rows: their streams get other numbers.
        self.copies += 1;
        let copies = self.copies * 1000;
        let moved: Vec<Vec<u8>> = rows.iter().map(|row| other_stream(row, copies)).collect::<Result<_>>()?;
        for chunk in moved.chunks(in_each) {
            let mut copy = self.writer.copy_in_raw(&format!("copy events ({COLUMNS}) from stdin")).await?;
            copy.send(chunk.concat()).await?;
            copy.finish().await?;
        }
        let (first, last) = (place(moved.first())?, place(moved.last())?);
        run(&mut self.writer, "checkpoint").await?;
        run(&mut self.reader, "checkpoint").await?;
        let begun = Instant::now();
        run(&mut self.reader, "alter subscription bench enable").await?;
        self.wait_for(first).await?;
        let arrived = Instant::now();
        self.wait_for(last).await?;
        Ok(CaughtUp { until_first: arrived - begun, took: arrived.elapsed() })
    }

    async fn wait_for(&mut self, (stream, seq): (i32, i64)) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let there: bool =
                sqlx::query_scalar("select exists (select from events where stream = $1 and seq = $2)")
                    .bind(stream)
                    .bind(seq)
                    .fetch_one(&mut self.reader)
                    .await?;
            if there {
                return Ok(());
            }
            sleep(Duration::from_millis(5)).await;
        }
        bail!("rows do not arrive at the subscriber within {} s", PATIENCE.as_secs())
    }

    async fn wait_for_worker(&mut self, there: bool) -> Result<()> {
        let waiting = async {
            loop {
                let runs: bool = sqlx::query_scalar(
                    "select exists (select from pg_stat_subscription where subname = 'bench' and pid is not null)",
                )
                .fetch_one(&mut self.reader)
                .await?;
                if runs == there {
                    return anyhow::Ok(());
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.context("the subscriber's worker does not stop")?
    }
}

async fn insert(conn: &mut PgConnection, seq: i64, month: i32) -> Result<()> {
    let hash: [u8; 32] = rand::random();
    let (tag, command): ([u8; 16], [u8; 16]) = (rand::random(), rand::random());
    let frame: Vec<u8> = hash.iter().copied().cycle().take(FRAME).collect();
    sqlx::query(
        "insert into events (stream, seq, branch, hash, kind, occurred_at, plate_tag, command_id, arrival, received_at, frame, month)
         values ($1, $2, 0, $3, 1, $4, $5, $6, $2, $4, $7, $8)",
    )
    .bind(SINGLE)
    .bind(seq)
    .bind(&hash[..])
    .bind(lab::clock::now().as_millisecond())
    .bind(&tag[..])
    .bind(&command[..])
    .bind(frame)
    .bind(month)
    .execute(conn)
    .await?;
    Ok(())
}

/// The same row in another stream.
fn other_stream(row: &[u8], add: i32) -> Result<Vec<u8>> {
    let (stream, rest) = split(row)?;
    Ok([(stream + add).to_string().as_bytes(), rest].concat())
}

/// Stream and seq of a row.
fn place(row: Option<&Vec<u8>>) -> Result<(i32, i64)> {
    let (stream, rest) = split(row.context("no rows")?)?;
    let seq =
        rest.split(|byte| *byte == b'\t').nth(1).and_then(|seq| std::str::from_utf8(seq).ok()?.parse().ok());
    Ok((stream, seq.context("a row without its seq")?))
}

fn split(row: &[u8]) -> Result<(i32, &[u8])> {
    let tab = row.iter().position(|byte| *byte == b'\t').context("no row of `copy`")?;
    let (stream, rest) = row.split_at(tab);
    Ok((std::str::from_utf8(stream)?.parse()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_copy_are_moved_to_another_stream() {
        let row = b"7\t42\t0\t\\\\x00\n".to_vec();
        let moved = other_stream(&row, 1000).unwrap();
        assert_eq!(moved, b"1007\t42\t0\t\\\\x00\n");
        assert_eq!(place(Some(&moved)).unwrap(), (1007, 42));
        assert!(place(None).is_err());
    }
}
