//! Tables and rows. SQL lives here and in [`crate::query`]; nothing here decides anything.

pub mod access;
pub mod answers;
pub mod closure;
pub mod copied;
pub mod events;
pub mod findings;
pub mod head;
pub mod heartbeats;
pub mod months;
mod parameters;
pub mod peers;
pub mod projection;
pub mod reference;
pub mod round;
pub mod streams;
pub mod witness;

/// All that can go wrong with Postgres, as seen by the writer: whatever it is, the connection is given up, the lock taken again
/// and everything reloaded.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres or the connection.
    #[error("postgres: {0}")]
    Sql(#[from] sqlx::Error),
    /// The writer's head is not the one committed last: somebody else wrote, or this is another database.
    #[error("writer head is not the one committed last")]
    HeadMoved,
    /// A row that cannot be what was written.
    #[error("stored row cannot be read: {0}")]
    Damaged(String),
    /// A repair changed what rules over other events: everything is loaded anew.
    #[error("the rules were repaired, loading them anew")]
    Repaired,
    /// A round took longer than it may.
    #[error("postgres did not answer in time")]
    Timeout,
}

/// Text as Postgres takes it: without NUL, and never longer than an index takes.
pub(crate) fn text(s: &str) -> String {
    const LONGEST: usize = 512;
    let mut out: String = if s.contains('\0') { s.replace('\0', "\u{fffd}") } else { s.to_owned() };
    if out.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|i| out.is_char_boundary(*i)).unwrap_or(0);
        out.truncate(cut);
    }
    out
}
