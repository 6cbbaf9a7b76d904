//! Many events at once, as a catch-up page brings them: `COPY` in Postgres' binary form. Per row it costs Postgres two thirds of what the round's own
//! statement does (arrays unpacked into rows), and a few more ways there and back.

use std::collections::BTreeMap;

use replication::keeping::Month;
use sqlx::PgConnection;

use super::StoreError;
use super::events::{COLUMNS, Row};
use super::months::{self, Filed};
use super::parameters::names;

/// Events of a round from which on they are copied.
pub const MANY: usize = 200;

/// How many columns a row has.
const WIDTH: i16 = COLUMNS.len() as i16;
/// Signature, flags, length of what else the head says.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: i16 = -1;

/// Writes the events and what is filed of their streams, inside the round's transaction. The drawers of their months are there.
pub async fn insert(conn: &mut PgConnection, new: &[Row<'_>], received_at: i64) -> Result<(), StoreError> {
    let mut filed: BTreeMap<(i32, Month), Filed> = BTreeMap::new();
    for e in new {
        let seq = e.event.frame.header().position.seq as i64;
        filed.entry((e.stream, e.month(received_at))).or_default().add(seq);
    }
    months::add(conn, &filed).await?;
    let mut copy =
        conn.copy_in_raw(&format!("copy events ({}) from stdin (format binary)", names(&COLUMNS))).await?;
    copy.send(bytes(new, received_at)?).await?;
    copy.finish().await?;
    Ok(())
}

fn bytes(new: &[Row<'_>], received_at: i64) -> Result<Vec<u8>, StoreError> {
    let frames: usize = new.iter().map(|e| e.event.frame.bytes().len()).sum();
    let mut out = Vec::with_capacity(HEAD.len() + frames + new.len() * 224 + 2);
    out.extend_from_slice(HEAD);
    for e in new {
        let h = e.event.frame.header();
        out.extend_from_slice(&WIDTH.to_be_bytes());
        field(&mut out, &e.stream.to_be_bytes())?;
        field(&mut out, &(h.position.seq as i64).to_be_bytes())?;
        field(&mut out, &e.month(received_at).to_be_bytes())?;
        field(&mut out, &(e.event.branch as i16).to_be_bytes())?;
        field(&mut out, e.event.frame.hash().as_bytes())?;
        field(&mut out, &i32::from(h.kind.code()).to_be_bytes())?;
        field(&mut out, &h.occurred_at.to_be_bytes())?;
        or_null(&mut out, h.plate_tag.as_ref().map(|t| t.as_bytes()))?;
        or_null(&mut out, e.opening.map(|o| o.0.to_be_bytes()).as_ref().map(|b| &b[..]))?;
        or_null(&mut out, e.opening.map(|o| o.1.to_be_bytes()).as_ref().map(|b| &b[..]))?;
        or_null(&mut out, h.command_id.as_ref().map(|c| c.as_bytes()))?;
        field(&mut out, &e.event.arrival.to_be_bytes())?;
        field(&mut out, &received_at.to_be_bytes())?;
        field(&mut out, e.event.frame.bytes())?;
        or_null(&mut out, e.event.fact.as_ref().err().map(|why| why.as_bytes()))?;
    }
    out.extend_from_slice(&END.to_be_bytes());
    Ok(out)
}

fn field(out: &mut Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
    let length =
        i32::try_from(value.len()).map_err(|_| StoreError::Damaged("an event is too large".to_owned()))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

fn or_null(out: &mut Vec<u8>, value: Option<&[u8]>) -> Result<(), StoreError> {
    match value {
        Some(v) => field(out, v)?,
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
    }
    Ok(())
}
