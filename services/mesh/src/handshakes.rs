//! Handshakes under way. When there are too many, the oldest gives way: an honest one takes milliseconds, so whoever connects and says
//! nothing keeps nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// At once.
const MOST: usize = 64;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handshakes(Arc<Mutex<UnderWay>>);

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    by_age: BTreeMap<u64, CancellationToken>,
}

/// One of them; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Handshake {
    all: Handshakes,
    number: u64,
    /// Cancelled when it has to give way.
    pub(crate) end: CancellationToken,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.lock().by_age.remove(&self.number);
    }
}

impl Handshakes {
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more begins.
    pub(crate) fn begin(&self) -> Handshake {
        let mut all = self.lock();
        if all.by_age.len() >= MOST
            && let Some((_, oldest)) = all.by_age.pop_first()
        {
            oldest.cancel();
        }
        let (number, end) = (all.next, CancellationToken::new());
        all.next += 1;
        all.by_age.insert(number, end.clone());
        Handshake { all: self.clone(), number, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_an_ended_one_counts_no_more() {
        let all = Handshakes::default();
        let mut held: Vec<_> = (0..MOST).map(|_| all.begin()).collect();
        drop(held.remove(1));
        let fits = all.begin();
        assert!(held.iter().all(|h| !h.end.is_cancelled()));
        let newest = all.begin();
        assert!(held[0].end.is_cancelled() && !held[1].end.is_cancelled());
        assert!(!fits.end.is_cancelled() && !newest.end.is_cancelled());
        drop((held, fits, newest));
        assert!(all.lock().by_age.is_empty());
    }
}
