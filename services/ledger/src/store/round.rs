//! What every round writes, as one statement: head, streams, events, rows of history, answers, what came from whom. A round of one event at each of ten
//! centrals is the common one; there, what is said to Postgres costs more than what Postgres does. Many events go beside it ([`super::copied`]).
//!
//! The tables' own files say which columns, [`super::parameters`] how rows travel; here is only the order of the parameters. Nothing is written unless the stored head is
//! the one the round began from.

use std::sync::LazyLock;

use ::writer::{Answer, CameFrom};
use replication::log::WriterHead;
use sqlx::PgConnection;
use wire::position::StreamHoldings;

use super::parameters::{Form, Places, Values};
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

    fn form(&self) -> Form {
        let most =
            [self.streams.len(), self.events.len(), self.history.len(), self.answers.len(), self.came.len()];
        if most.iter().all(|rows| *rows <= 1) { Form::One } else { Form::Many }
    }
}

/// Which parts a statement has. Each costs its planning and its locks even when it has nothing to write, and most rounds write few.
#[derive(Debug, Clone, Copy)]
struct Parts {
    streams: bool,
    events: bool,
    history: bool,
    answers: bool,
    came: bool,
}

impl Parts {
    const ALL: usize = 32;

    fn of(lines: &Lines<'_>) -> Self {
        Self {
            streams: !lines.streams.is_empty(),
            events: !lines.events.is_empty(),
            history: !lines.history.is_empty(),
            answers: !lines.answers.is_empty(),
            came: !lines.came.is_empty(),
        }
    }

    fn number(self) -> usize {
        let bits = [self.streams, self.events, self.history, self.answers, self.came];
        bits.iter().rev().fold(0, |n, bit| n * 2 + usize::from(*bit))
    }

    fn numbered(n: usize) -> Self {
        let bit = |i: u32| n >> i & 1 == 1;
        Self { streams: bit(0), events: bit(1), history: bit(2), answers: bit(3), came: bit(4) }
    }

    /// The statement; its values are added in the same order.
    fn sql(self, form: Form) -> String {
        let mut p = Places::new(form);
        let mut sql = format!("with advanced as ({})", head::advance_sql(&mut p));
        let mut part = |name: &str, text: String| sql.push_str(&format!(", {name} as ({text})"));
        if self.streams {
            part("s", streams::save_sql(&mut p));
        }
        if self.events {
            let (months, events) = events::insert_sql(&mut p);
            part("m", months);
            part("e", events);
        }
        if self.history {
            part("h", history::save_sql(&mut p));
        }
        if self.answers {
            part("a", answers::save_sql(&mut p));
        }
        if self.came {
            part("p", peers::note_sql(&mut p));
        }
        sql + " select count(*) from advanced"
    }
}

fn all(form: Form) -> Vec<String> {
    (0..Parts::ALL).map(|n| Parts::numbered(n).sql(form)).collect()
}

static OF_ONE: LazyLock<Vec<String>> = LazyLock::new(|| all(Form::One));
static OF_MANY: LazyLock<Vec<String>> = LazyLock::new(|| all(Form::Many));

/// Writes. Errors: [`StoreError::HeadMoved`] when the stored head is another one; then nothing is written.
pub async fn write(conn: &mut PgConnection, lines: &Lines<'_>) -> Result<(), StoreError> {
    let (parts, form) = (Parts::of(lines), lines.form());
    let mut values = Values::new(form);
    head::advance_values(&mut values, lines.from, lines.to)?;
    if parts.streams {
        streams::save_values(&mut values, lines.streams)?;
    }
    if parts.events {
        events::insert_values(&mut values, lines.events, lines.received_at)?;
    }
    if parts.history {
        history::save_values(&mut values, lines.history)?;
    }
    if parts.answers {
        answers::save_values(&mut values, lines.answers)?;
    }
    if parts.came {
        peers::note_values(&mut values, lines.came)?;
    }
    let statements: &'static [String] = match form {
        Form::One => &OF_ONE,
        Form::Many => &OF_MANY,
    };
    let sql = statements[parts.number()].as_str();
    let advanced: i64 = sqlx::query_scalar_with(sql, values.done()).fetch_one(conn).await?;
    if advanced == 1 { Ok(()) } else { Err(StoreError::HeadMoved) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_of_parts_has_its_statement() {
        for (n, sql) in OF_ONE.iter().enumerate().chain(OF_MANY.iter().enumerate()) {
            assert_eq!(Parts::numbered(n).number(), n);
            for (i, table) in
                ["streams", "events", "history", "idempotency", "p2p_sync_state"].iter().enumerate()
            {
                assert_eq!(sql.contains(&format!("insert into {table} ")), n >> i & 1 == 1, "{n}: {table}");
            }
        }
    }
}
