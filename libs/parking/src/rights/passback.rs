//! Anti-passback: what is inside cannot come in.

use wire::event::Credential;

use crate::history::HistoryRow;

/// Where a credential, or a vehicle, is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassbackState {
    /// It came in and did not leave.
    Inside,
    /// It left, or was never seen.
    Outside,
    /// Staff said that nobody knows: the next passage either way is right.
    Neutral,
}

impl PassbackState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
            Self::Neutral => "neutral",
        }
    }
}

/// A credential's name in the register.
pub fn name_of(credential: &Credential) -> String {
    format!("{}:{}", credential.kind, credential.id)
}

/// The newest session of a credential or a vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// It is open.
    pub open: bool,
    /// Its entry while it is open, else its exit, ms since the epoch.
    pub since: Option<i64>,
}

impl From<&HistoryRow> for Newest {
    fn from(row: &HistoryRow) -> Self {
        let open = row.is_open();
        Self { open, since: if open { row.entry_time } else { row.exit_time.or(row.entry_time) } }
    }
}

/// Where a credential or a vehicle is, and since when (ms; none where it was never seen). `reset` is when it was last set to neutral.
pub fn state_of(newest: Option<Newest>, reset: Option<i64>) -> (PassbackState, Option<i64>) {
    let (state, since) = match newest {
        Some(Newest { open: true, since }) => (PassbackState::Inside, since),
        Some(Newest { open: false, since }) => (PassbackState::Outside, since),
        None => (PassbackState::Outside, None),
    };
    match reset {
        Some(at) if since.is_none_or(|since| at >= since) => (PassbackState::Neutral, Some(at)),
        _ => (state, since),
    }
}
