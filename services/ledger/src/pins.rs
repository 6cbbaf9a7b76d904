//! PINs of staff, checked before a command is queued: it takes tens of milliseconds, which no round may wait for.
//!
//! What comes out is a fact for the decision ([`PinCheck`]); the PIN itself ends here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::{PasswordHash, PasswordVerifier as _};
use argon2::Argon2;
use parking::decision::PinCheck;
use parking::reference::PinThrottle;
use tokio::sync::Semaphore;

/// PINs checked at once; each takes a core and up to 64 MiB.
const AT_ONCE: usize = 2;
/// PINs that wait to be checked at most.
const WAITING: usize = 32;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pins {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    throttle: Mutex<PinThrottle>,
    places: Semaphore,
    waiting: AtomicUsize,
}

impl Default for Pins {
    fn default() -> Self {
        let (throttle, waiting) = (Mutex::default(), AtomicUsize::new(0));
        Self { inner: Arc::new(Inner { throttle, places: Semaphore::new(AT_ONCE), waiting }) }
    }
}

/// Too many PINs wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// One PIN that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pins {
    /// Checks the PIN of a member of the staff. `caller`: the lane or person the command came through.
    pub async fn check(&self, staff: &str, caller: &str, pin: String, hash: String) -> Result<PinCheck, TooMany> {
        let waiting = self.inner.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.inner.waiting);
        if waiting >= WAITING {
            return Err(TooMany);
        }
        if let Err(wait_ms) = self.throttle().begin(staff, caller, kit::clock::now_ms()) {
            let seconds = u32::try_from(wait_ms.saturating_add(999) / 1000).unwrap_or(u32::MAX);
            return Ok(PinCheck::Throttled { retry_after_s: seconds });
        }
        let _place = self.inner.places.acquire().await.map_err(|_| TooMany)?;
        let right = tokio::task::spawn_blocking(move || is_right(&pin, &hash)).await.unwrap_or(false);
        if right {
            self.throttle().was_right(staff, caller);
        }
        Ok(if right { PinCheck::Right } else { PinCheck::Wrong })
    }

    fn throttle(&self) -> MutexGuard<'_, PinThrottle> {
        self.inner.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_right(pin: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|h| Argon2::default().verify_password(pin.as_bytes(), &h).is_ok())
}
