//! Which central a certificate names, and what its key vouches for: the seals of bundles.
//!
//! No I/O and no clock: files and the time are the caller's. Links use the same certificates through TLS, in the service `mesh`.

mod deny;
mod name;
mod sign;
mod verify;

pub use deny::{BadLine, DenyList, fingerprint};
pub use name::{certified, not_after_ms};
pub use sign::{BadKey, Signer};
pub use verify::{NotTrusted, Trusted, signed_by};
