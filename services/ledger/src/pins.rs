//! PINs of staff, checked before a command is queued: it takes tens of milliseconds, which no round may wait for.
//!
//! What comes out is a fact for the decision ([`PinCheck`]); the PIN itself ends here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier as _};
use parking::decision::{self, PinCheck};
use parking::reference::{PinThrottle, Reference};
use tokio::sync::Semaphore;
use wire::bus::command::{Command, CommandEnvelope};

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

/// A PIN to check.
pub struct Claim {
    staff: String,
    caller: String,
    pin: String,
    hash: String,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim")
            .field("staff", &self.staff)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// What a command claims, where there is something to check: a PIN, of somebody who is on the list.
pub fn claim(envelope: &CommandEnvelope, reference: &Reference) -> Option<Claim> {
    let (staff, pin) = decision::claimed(&envelope.command)?;
    let member = reference.staff.as_ref()?.active(staff)?;
    Some(Claim {
        staff: staff.to_owned(),
        caller: envelope.principal.clone(),
        pin: pin?.to_owned(),
        hash: member.pin_hash.clone(),
    })
}

/// Leaves of the PIN only that there was one.
pub fn forget(envelope: &mut CommandEnvelope) {
    if let Command::Open { pin: Some(pin), .. }
    | Command::Act { pin: Some(pin), .. }
    | Command::SetPolicy { pin: Some(pin), .. } = &mut envelope.command
        && !pin.is_empty()
    {
        "*".clone_into(pin);
    }
}

impl Pins {
    /// Checks the PIN of a member of the staff.
    ///
    /// # Errors
    /// Too many wait already.
    pub async fn check(&self, claim: Claim) -> Result<PinCheck, TooMany> {
        let Claim { staff, caller, pin, hash } = claim;
        let waiting = self.inner.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.inner.waiting);
        if waiting >= WAITING {
            return Err(TooMany);
        }
        if let Err(wait_ms) = self.throttle().begin(&staff, &caller, kit::clock::now_ms()) {
            let seconds = u32::try_from(wait_ms.saturating_add(999) / 1000).unwrap_or(u32::MAX);
            return Ok(PinCheck::Throttled { retry_after_s: seconds });
        }
        let _place = self.inner.places.acquire().await.map_err(|_| TooMany)?;
        let right = tokio::task::spawn_blocking(move || is_right(&pin, &hash)).await.unwrap_or(false);
        if right {
            self.throttle().was_right(&staff, &caller);
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
