//! Who vouches for a file, checked without any central.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use identity::signed_by;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use wire::bundle::{Checked, Seal, keyed_fits};

/// What can be said of a seal.
pub(super) enum Verdict {
    /// Checked: by whom.
    Believed(String),
    /// There was nothing to check it with.
    Unchecked(String),
    /// It does not fit.
    Refused(String),
}

/// Checks a seal with what is given. Errors: a file that cannot be used.
pub(super) fn judge(checked: &Checked, ca: Option<&Path>, key: Option<&Path>) -> anyhow::Result<Verdict> {
    let m = &checked.manifest;
    Ok(match (&checked.seal, ca, key) {
        (Seal::Certificate { .. }, None, _) => {
            Verdict::Unchecked("signed with a certificate; --ca FILE checks it".to_owned())
        }
        (Seal::OperatorKey { .. }, _, None) => {
            let text = "sealed with the operator's key (plain-text mode); --plate-key-file FILE checks it";
            Verdict::Unchecked(text.to_owned())
        }
        (Seal::Certificate { scheme, signature, chain }, Some(ca), _) => {
            let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
            let now = now_ms();
            let sealed = (*scheme, signature, &chain[..]);
            match signed_by(&roots(ca)?, &algorithms, &checked.digest, sealed, m.created_at, now) {
                Ok(who) if who.central != m.exporter => Verdict::Refused(format!(
                    "it says to come from {}, but {} signed it",
                    m.exporter, who.central
                )),
                Ok(who) if who.ended => {
                    Verdict::Believed(format!("signed by {}; its certificate has ended since", who.central))
                }
                Ok(who) => Verdict::Believed(format!("signed by {}", who.central)),
                Err(e) => Verdict::Refused(e.to_string()),
            }
        }
        (Seal::OperatorKey { mac }, _, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            if keyed_fits(text.trim().as_bytes(), &checked.digest, mac) {
                Verdict::Believed("sealed with the operator's key".to_owned())
            } else {
                Verdict::Refused("the seal was not made with this key".to_owned())
            }
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "a command for people: is the certificate valid today?")]
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(i64::MAX)
}

fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let pem = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&pem) {
        let cert = cert.with_context(|| format!("{} is no PEM certificate", file.display()))?;
        roots.add(cert).with_context(|| format!("{} cannot be used as a CA", file.display()))?;
    }
    anyhow::ensure!(!roots.is_empty(), "{} holds no PEM certificate", file.display());
    Ok(roots)
}
