//! What the writer knows of this machine's clock.

use replication::clock::Witness;
use sqlx::{PgConnection, Row};

use super::StoreError;

/// Reads it; none before the first time. What another release wrote is begun anew.
pub async fn load(conn: &mut PgConnection) -> Result<Option<Witness>, StoreError> {
    let row = sqlx::query("select state from clock_witness").fetch_one(conn).await?;
    let text: Option<String> = row.try_get(0)?;
    Ok(text.and_then(|t| serde_json::from_str(&t).ok()))
}

/// Writes it.
pub async fn save(conn: &mut PgConnection, witness: &Witness) -> Result<(), StoreError> {
    let text = serde_json::to_string(witness).map_err(|e| StoreError::Damaged(e.to_string()))?;
    sqlx::query("update clock_witness set state = $1").bind(text).execute(conn).await?;
    Ok(())
}
