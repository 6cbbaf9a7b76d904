//! What every round writes, as one statement: head, streams, events, rows of history, answers, what came from whom. A round of one event at each of ten
//! centrals is the common one; there, what is said to Postgres costs more than what Postgres does.
//!
//! The tables' own files say which columns; here is only the order of the parameters. Nothing is written unless the stored head is
//! the one the round began from.

use std::sync::LazyLock;

use ::writer::{Answer, CameFrom};
use replication::log::WriterHead;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, Encode, PgConnection, Postgres, Type};
use wire::position::StreamHoldings;

use super::projection::{Columns, write as history};
use super::{StoreError, answers, events, head, peers, streams};

/// What a round writes.
#[derive(Debug)]
pub struct Lines<'a> {
    /// The head it began from.
    pub from: &'a WriterHead,
    /// The head after it.
    pub to: &'a WriterHead,
    /// Streams, new or changed, with their numbers.
    pub streams: &'a [(i32, StreamHoldings)],
    /// New events; the drawers of their months are there ([`super::months::ensure`]).
    pub events: &'a [events::Row<'a>],
    /// When the events came, ms.
    pub received_at: i64,
    /// Rows of history, new or changed.
    pub history: &'a [Columns],
    /// Answers to keep.
    pub answers: &'a [Answer],
    /// What came from whom.
    pub came: &'a [CameFrom],
}

impl<'a> Lines<'a> {
    /// Nothing but the move of the head.
    pub fn only_head(from: &'a WriterHead, to: &'a WriterHead) -> Self {
        Self { from, to, streams: &[], events: &[], received_at: 0, history: &[], answers: &[], came: &[] }
    }
}

/// The places of parameters, in the order they are named.
#[derive(Debug, Default)]
pub(super) struct Places(usize);

impl Places {
    /// The next one.
    pub(super) fn next(&mut self) -> String {
        self.0 += 1;
        format!("${}", self.0)
    }

    /// `$1::int4[], $2::text[]` for these types.
    pub(super) fn arrays(&mut self, types: &[&str]) -> String {
        let each: Vec<String> = types.iter().map(|t| format!("{}::{t}[]", self.next())).collect();
        each.join(", ")
    }
}

/// The values for them, in the same order.
#[derive(Debug, Default)]
pub(super) struct Values(PgArguments);

impl Values {
    /// The next one.
    pub(super) fn add<'q, T: Encode<'q, Postgres> + Type<Postgres> + 'q>(
        &mut self,
        value: T,
    ) -> Result<(), StoreError> {
        self.0.add(value).map_err(|e| StoreError::Sql(sqlx::Error::Encode(e)))
    }
}

static SQL: LazyLock<String> = LazyLock::new(|| {
    let mut p = Places::default();
    let head = head::advance_sql(&mut p);
    let streams = streams::save_sql(&mut p);
    let (months, events) = events::insert_sql(&mut p);
    let history = history::save_sql(&mut p);
    let answers = answers::save_sql(&mut p);
    let peers = peers::note_sql(&mut p);
    format!(
        "with advanced as ({head}), s as ({streams}), m as ({months}), e as ({events}), h as ({history}), a as ({answers}),
              p as ({peers})
         select count(*) from advanced"
    )
});

/// Writes. Errors: [`StoreError::HeadMoved`] when the stored head is another one; then nothing is written.
pub async fn write(conn: &mut PgConnection, lines: &Lines<'_>) -> Result<(), StoreError> {
    let mut values = Values::default();
    head::advance_values(&mut values, lines.from, lines.to)?;
    streams::save_values(&mut values, lines.streams)?;
    events::insert_values(&mut values, lines.events, lines.received_at)?;
    history::save_values(&mut values, lines.history)?;
    answers::save_values(&mut values, lines.answers)?;
    peers::note_values(&mut values, lines.came)?;
    let advanced: i64 = sqlx::query_scalar_with(SQL.as_str(), values.0).fetch_one(conn).await?;
    if advanced == 1 { Ok(()) } else { Err(StoreError::HeadMoved) }
}
