//! The competitors: Postgres itself, with the same tables and indexes, and durable.

mod pgbench;
mod replica;

use std::path::Path;

use anyhow::{Context as _, Result};
use lab::cluster::Cluster;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

pub(crate) use pgbench::Pgbench;
pub(crate) use replica::Pair;

/// Every column of the event log, in one order for all.
pub(crate) const COLUMNS: &str = "stream, seq, branch, hash, kind, occurred_at, plate_tag, opening_stream, opening_seq, command_id, arrival, \
     received_at, frame, poison, month";

/// Bytes of an opening's frame, about.
const FRAME: usize = 380;

/// Room that a cluster of a competitor gets: more than a central's own.
const ROOM: &str = "
shared_buffers = 256MB
max_wal_size = 2GB
max_connections = 60
max_worker_processes = 8
";

/// A cluster with the ledger's tables.
async fn cluster(folder: &Path, name: &str, port: u16, more: &str) -> Result<(Cluster, PgConnection)> {
    let cluster = Cluster::start(folder, name, port, &format!("{ROOM}{more}")).await?;
    let mut conn = connect(&cluster.url()).await?;
    sqlx::migrate!("../../migrations").run(&mut conn).await.context("cannot make the tables")?;
    // Rows of the lab are of this month, or of the one before when that has just begun.
    let month: i32 = sqlx::query_scalar(
        "select (extract(year from now() at time zone 'UTC')::int - 2000) * 12 + extract(month from now() at time zone 'UTC')::int",
    )
    .fetch_one(&mut conn)
    .await?;
    for month in [month - 1, month] {
        run(&mut conn, format!("create table events_m{month} partition of events for values in ({month})"))
            .await?;
    }
    Ok((cluster, conn))
}

/// A connection.
pub(crate) async fn connect(url: &str) -> Result<PgConnection> {
    let options: PgConnectOptions = url.parse().context("no Postgres URL")?;
    options.disable_statement_logging().connect().await.context("cannot connect to Postgres")
}

/// Runs statements without results.
pub(crate) async fn run(conn: &mut PgConnection, statement: impl Into<String>) -> Result<()> {
    let statement = statement.into();
    let named = statement.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await.with_context(|| format!("{named} failed"))?;
    Ok(())
}
