//! A look into the centrals' databases: how much each holds.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use lab::lab_file::LabFile;
use sqlx::PgConnection;
use tokio::time::sleep;

use crate::native::{COLUMNS, connect};

/// Nothing moves for so long: it will not any more.
const STILL: Duration = Duration::from_secs(60);

/// One connection to each central's database.
pub(crate) struct Eyes(Vec<PgConnection>);

impl Eyes {
    pub(crate) async fn open(file: &LabFile) -> Result<Self> {
        Ok(Self(try_join_all(file.centrals.iter().map(|entry| connect(&entry.database_url))).await?))
    }

    /// Events each central holds.
    pub(crate) async fn held(&mut self) -> Result<Vec<i64>> {
        try_join_all(self.0.iter_mut().map(held)).await
    }

    /// Events one central holds.
    pub(crate) async fn held_at(&mut self, central: usize) -> Result<i64> {
        match self.0.get_mut(central) {
            Some(conn) => held(conn).await,
            None => bail!("no such central"),
        }
    }

    /// Waits until each central holds so many events at least, and as many as the others; how long after the call that was.
    pub(crate) async fn wait(&mut self, events: i64, pause: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let (mut last, mut moved) = (Vec::new(), Instant::now());
        loop {
            let held = self.held().await?;
            let least = held.iter().min().copied().unwrap_or_default();
            if least >= events && held.iter().all(|one| *one == least) {
                return Ok(begun.elapsed());
            }
            if held != last {
                (last, moved) = (held, Instant::now());
            } else if moved.elapsed() > STILL {
                bail!("of {events} events the centrals hold {held:?} and get no more");
            }
            sleep(pause).await;
        }
    }

    /// Waits until no row of history waits for stored events.
    pub(crate) async fn rows_made(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let behind = try_join_all(self.0.iter_mut().map(|conn| {
                sqlx::query_scalar::<_, Option<i64>>("select behind from projection_state").fetch_one(conn)
            }));
            if behind.await?.iter().all(Option::is_none) {
                return Ok(());
            }
            if begun.elapsed() > STILL * 10 {
                bail!("the rows of history are not made");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The newest events of a central, as lines of `copy`.
    pub(crate) async fn newest(&mut self, central: usize, events: u64) -> Result<Vec<Vec<u8>>> {
        let Some(conn) = self.0.get_mut(central) else { bail!("no such central") };
        let sql = format!(
            "copy (select {COLUMNS} from events where arrival > (select max(arrival) from events) - {events} order by arrival) to stdout"
        );
        // Each message is one row.
        let rows: Vec<Bytes> = conn.copy_out_raw(&sql).await?.try_collect().await?;
        Ok(rows.concat().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
    }

    /// A number from one central's database.
    pub(crate) async fn number(&mut self, central: usize, sql: &'static str) -> Result<i64> {
        match self.0.get_mut(central) {
            Some(conn) => Ok(sqlx::query_scalar(sql).fetch_one(conn).await?),
            None => bail!("no such central"),
        }
    }
}

/// Kept by the ledger in the transaction that stores them.
async fn held(conn: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("select coalesce(sum(events), 0)::int8 from stream_months").fetch_one(conn).await?)
}
