//! What the writer reads must not grow with what is kept. Its plans are made while tables are almost empty, and stay.

use std::str::FromStr;

use ledger::store::answers;
use ledger::writer::lock;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnectOptions;

use crate::rig::Central;

#[tokio::test]
async fn kept_answers_are_found_by_their_command_and_not_by_their_age() {
    let c = Central::start("central-1").await;
    let options = PgConnectOptions::from_str(&c.postgres.url()).unwrap();
    let mut conn = lock::connect(&options).await.unwrap();
    // As many as when the statistics are first made.
    sqlx::raw_sql(
        "insert into idempotency (command_id, principal, path, status, body, created_at)
           select sha256(n::text::bytea), 'edge:edge-1', '/v1', 200, repeat('x', 400), 1000000 + n from generate_series(1, 60) n;
         analyze idempotency",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("prepare p (bytea[], int8, bytea[]) as {}", answers::LOAD)))
        .execute(&mut conn)
        .await
        .unwrap();
    let plan: Vec<String> =
        sqlx::query_scalar("explain execute p ('{}', 0, '{}')").fetch_all(&mut conn).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("idempotency_pkey") && !plan.contains("idempotency_age"), "{plan}");
}
