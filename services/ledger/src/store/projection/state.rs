//! What the tables were made of: version, and whether they are complete.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};
use wire::hash::PlateTag;

use crate::store::StoreError;

/// What the tables were made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The version they were made by.
    pub version: u32,
    /// A rebuild was asked for.
    pub stale: bool,
    /// Events with a higher arrival number may be missing in the rows of their vehicles; none when none is.
    pub behind: Option<i64>,
}

/// What the tables were made of.
pub async fn state(conn: &mut PgConnection) -> Result<Kept, StoreError> {
    let row = sqlx::query("select version, stale, behind from projection_state").fetch_one(conn).await?;
    Ok(Kept { version: row.try_get::<i32, _>(0)? as u32, stale: row.try_get(1)?, behind: row.try_get(2)? })
}

/// The vehicles of events with a higher arrival number than this one.
pub async fn lagging(conn: &mut PgConnection, arrival: i64) -> Result<BTreeSet<PlateTag>, StoreError> {
    let sql = "select distinct plate_tag from events where arrival > $1 and plate_tag is not null";
    let rows = sqlx::query(sql).bind(arrival).fetch_all(conn).await?;
    Ok(rows.iter().filter_map(|r| r.try_get(0).ok().and_then(PlateTag::from_slice)).collect())
}

/// Notes that events with a higher arrival number than this one may be missing in the rows of their vehicles, or that none is.
pub async fn set_behind(conn: &mut PgConnection, after: Option<i64>) -> Result<(), StoreError> {
    sqlx::query("update projection_state set behind = $1").bind(after).execute(conn).await?;
    Ok(())
}

/// Notes that the tables are of this version and complete, or that they must be rebuilt.
pub async fn set_version(conn: &mut PgConnection, version: u32, stale: bool) -> Result<(), StoreError> {
    sqlx::query("update projection_state set version = $1, stale = $2")
        .bind(version as i32)
        .bind(stale)
        .execute(conn)
        .await?;
    Ok(())
}
