//! The map of a stream, and the numbers of streams.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wire::hash::Hash32;
use wire::position::{StreamHoldings, StreamId};

use super::{Memory, Touched};
use crate::store::StoreError;

/// The number of a stream; a new one is given where it has none, and stored with the repair.
pub(super) fn number_of(memory: &mut Memory, stream: &StreamId, touched: &mut Touched) -> i32 {
    let mut new = BTreeMap::new();
    let number = memory.numbers.or_new(stream, &mut new);
    touched.streams.extend(new.into_values());
    number
}

/// True when a stream has rows.
pub(super) async fn has_events(tx: &mut PgConnection, number: i32) -> Result<bool, StoreError> {
    let any = sqlx::query_scalar("select exists (select 1 from events where stream = $1)");
    Ok(any.bind(number).fetch_one(tx).await?)
}

/// Makes the map of a stream again from its rows, and its row in `streams`.
pub(super) async fn make_map(
    tx: &mut PgConnection,
    memory: &mut Memory,
    number: i32,
    stream: &StreamId,
) -> Result<(), StoreError> {
    let islands = sqlx::query(
        "select min(seq), max(seq) from
           (select seq, seq - dense_rank() over (order by seq) as island from events where stream = $1 and seq > 0) as s
         group by island order by 1",
    )
    .bind(number)
    .fetch_all(&mut *tx)
    .await?;
    let (mut gaps, mut head) = (Vec::new(), 0u64);
    for r in islands {
        let (from, to): (i64, i64) = (r.try_get(0)?, r.try_get(1)?);
        if from as u64 > head + 1 {
            gaps.push((head + 1, from as u64 - 1));
        }
        head = to as u64;
    }
    let mut forks: Vec<(u64, Vec<Hash32>)> = Vec::new();
    let rows = sqlx::query(
        "select seq, hash from events where stream = $1 and (seq = $2 or seq in
           (select seq from events where stream = $1 and branch > 0)) order by seq, hash",
    )
    .bind(number)
    .bind(head as i64)
    .fetch_all(&mut *tx)
    .await?;
    let mut at_head = BTreeSet::new();
    for r in rows {
        let seq = r.try_get::<i64, _>(0)? as u64;
        let hash = Hash32::from_slice(r.try_get(1)?).unwrap_or_default();
        if seq == head {
            at_head.insert(hash);
        }
        match forks.last_mut() {
            Some((s, hashes)) if *s == seq => hashes.push(hash),
            _ => forks.push((seq, vec![hash])),
        }
    }
    forks.retain(|(_, hashes)| hashes.len() > 1);
    let known = memory.state.positions.get(stream);
    // What the writer knows of the head is a witness that the row there has to agree with, not the other way round.
    let kept = known.filter(|k| k.head() == head && head > 0).map(|k| k.head_hash());
    let head_hash = kept.filter(|h| *h != Hash32::default()).or_else(|| at_head.first().copied());
    // Positions where a branch is known to be missing stay marked.
    if let Some(k) = known {
        for (seq, hashes) in k.forks() {
            let listed = forks.iter().any(|(s, _)| s == seq);
            if hashes.len() == 1 && *seq <= head && !listed {
                forks.push((*seq, hashes.iter().copied().collect()));
            }
        }
        forks.sort_by_key(|(seq, _)| *seq);
    }
    memory.numbers.assign(number, stream);
    memory.state.positions.set(StreamHoldings {
        stream: stream.clone(),
        head,
        head_hash: head_hash.unwrap_or_default(),
        gaps,
        forks,
    });
    sqlx::query("delete from streams where central = $1 and incarnation = $2 and id <> $3")
        .bind(stream.central.as_str())
        .bind(Uuid::from_u128(stream.incarnation.0))
        .bind(number)
        .execute(&mut *tx)
        .await?;
    sqlx::query("update streams set central = $2, incarnation = $3 where id = $1")
        .bind(number)
        .bind(stream.central.as_str())
        .bind(Uuid::from_u128(stream.incarnation.0))
        .execute(&mut *tx)
        .await?;
    Ok(())
}
