//! Large bodies (webhook pictures, batches) held at once: few in all, fewer of one principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Refused;

/// Held at once.
const MOST: usize = 8;
/// Of one principal.
const EACH: usize = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Uploads {
    room: Arc<Semaphore>,
    of: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Room for one.
#[derive(Debug)]
pub(crate) struct Upload(#[expect(dead_code, reason = "held")] (OwnedSemaphorePermit, OwnedSemaphorePermit));

impl Default for Uploads {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(MOST)), of: Mutex::default() }
    }
}

impl Uploads {
    /// Room for one more. Errors: 503 `busy`.
    pub(crate) fn take(&self, principal: &str) -> Result<Upload, Refused> {
        let own = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            of.entry(principal.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(EACH))).clone()
        };
        let both = own.try_acquire_owned().and_then(|o| Ok((o, self.room.clone().try_acquire_owned()?)));
        both.map(Upload).map_err(|_| Refused::retry("busy", 1, "too many large bodies at once"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_takes_a_part_of_the_room_only() {
        let u = Uploads::default();
        let two = (u.take("noisy").unwrap(), u.take("noisy").unwrap());
        assert_eq!(u.take("noisy").unwrap_err().problem().status, 503);
        let others: Vec<_> = (0..6).map(|n| u.take(&format!("edge-{}", n / 2)).unwrap()).collect();
        assert!(u.take("late").is_err());
        drop(two);
        assert!(u.take("late").is_ok());
        drop(others);
    }
}
