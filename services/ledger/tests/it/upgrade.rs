//! Going back to this release after a later one has run on the database.

use wire::http::Direction;

use crate::rig::{Central, enter, leave, pass};

/// What a later release leaves behind: tables and columns this one does not know, and the record of its migrations.
const LATER: [&str; 3] = [
    "alter table history add column a_later_column text",
    "create table a_later_table (id bigint primary key)",
    "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
     values (9001, 'a later table', true, 'checksum', 1)",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_a_later_release_migrated_serves_this_one() {
    let mut c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - 3_600_000;
    let inside = enter(&c, "edge-1", "29A-123.45", at).await.event_id.unwrap();
    pass(&c, "edge-1", Direction::Entry, &inside).await;
    let mut postgres = c.postgres.connect().await;
    for statement in LATER {
        sqlx::raw_sql(statement).execute(&mut postgres).await.unwrap();
    }

    c.restart().await;
    c.until_served().await;
    let left = leave(&c, "edge-3", "29A-123.45").await;
    assert_eq!(left.event_id.as_deref(), Some(inside.as_str()), "the session of before is closed");
    assert_eq!(c.history(None).await.len(), 1);
}
