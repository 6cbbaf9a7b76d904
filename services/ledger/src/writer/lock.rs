//! The writer's connection: direct, alone, holding the session advisory lock for as long as it lives.

use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

/// The lock's number: "parkmesh" in ASCII.
const LOCK: i64 = 0x7061_726b_6d65_7368;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How often a standby looks whether the lock is free.
const STANDBY_LOOK: Duration = Duration::from_millis(200);

/// Connects with the settings a writer needs: full durability, and index plans whatever the statistics say (tables grow from
/// empty to millions between two analyses).
pub async fn connect(options: &PgConnectOptions) -> anyhow::Result<PgConnection> {
    let options = options
        .clone()
        .application_name("parkmesh-ledger-writer")
        .statement_cache_capacity(64)
        .options([
            ("synchronous_commit", "on"),
            // Priced as they are below, every plan would look worth compiling, and that takes longer than running it.
            ("jit", "off"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("client_min_messages", "warning"),
            ("idle_in_transaction_session_timeout", "15s"),
        ])
        .disable_statement_logging();
    tokio::time::timeout(CONNECT, options.connect())
        .await
        .context("no connection in time")?
        .context("no connection")
}

/// Waits until the lock is ours. The connection is the lock: when one ends, so does the other.
pub async fn take(conn: &mut PgConnection) -> anyhow::Result<()> {
    let mut told = false;
    loop {
        let ask =
            sqlx::query_scalar::<_, bool>("select pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut *conn);
        if tokio::time::timeout(CONNECT, ask).await.context("no answer in time")?? {
            return Ok(());
        }
        if !told {
            tracing::info!("another ledger writes, standing by");
            told = true;
        }
        tokio::time::sleep(STANDBY_LOOK).await;
    }
}

/// Brings the tables up to date. Under the writer lock, so the migrator's own lock is not needed.
///
/// What a later release added stays and is said once: migrations leave the tables usable for the release before them, so that a site
/// can go back to it (`migrations/README.md`).
pub async fn migrate(conn: &mut PgConnection) -> anyhow::Result<()> {
    let mut migrator = sqlx::migrate!("../../migrations");
    migrator.set_locking(false).set_ignore_missing(true);
    migrator.run_direct(None, &mut *conn, false).await.context("migrations")?;
    let newest = migrator.iter().map(|m| m.version).max().unwrap_or_default();
    let later: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where version > $1 order by version")
            .bind(newest)
            .fetch_all(conn)
            .await
            .context("migrations")?;
    if !later.is_empty() {
        tracing::warn!(
            ?later,
            "a later release has migrated this database; this one goes on with what it knows"
        );
    }
    Ok(())
}

/// Ends the connection politely, so that the lock is free at once.
pub async fn release(conn: PgConnection) {
    drop(tokio::time::timeout(Duration::from_secs(1), conn.close()).await);
}
