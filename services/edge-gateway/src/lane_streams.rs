//! One stream of commands per lane: a new one takes the place of the one before, which may hang on a connection long dead.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LaneStreams(Mutex<HashMap<String, CancellationToken>>);

impl LaneStreams {
    /// A stream begins: the one before ends. The token is cancelled when the next begins.
    pub(crate) fn begin(&self, edge_id: &str) -> CancellationToken {
        let mine = CancellationToken::new();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = all.insert(edge_id.to_owned(), mine.clone()) {
            before.cancel();
        }
        mine
    }
}
