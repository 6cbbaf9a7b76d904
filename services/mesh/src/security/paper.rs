//! The certificate somebody showed.

use ::identity::{certified, fingerprint, not_after_ms};
use rustls::pki_types::CertificateDer;
use wire::hash::Hash32;
use wire::id::CentralId;

use super::Identity;

/// What is kept of it while its link stands.
#[derive(Debug, Clone)]
pub(crate) struct Paper {
    /// The central it names.
    pub(crate) central: CentralId,
    /// Its name on a deny list.
    pub(crate) fingerprint: Hash32,
    /// When it ends, ms.
    pub(crate) not_after_ms: i64,
}

impl Paper {
    /// Reads a certificate that TLS found to be the operator's and in time. Errors: it names no central, or is denied.
    pub(crate) fn of(leaf: &CertificateDer<'_>, identity: &Identity) -> Result<Self, String> {
        let central = certified(leaf)?;
        let fingerprint = fingerprint(leaf);
        if identity.denied.denies(&fingerprint) {
            return Err(format!("the certificate of {central} stands on the deny list"));
        }
        Ok(Self { central, fingerprint, not_after_ms: not_after_ms(leaf)? })
    }
}
