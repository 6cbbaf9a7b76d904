//! Certificates: whom they name, whose they are, how long they last.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use wire::id::CentralId;

use super::{Finding, Verdict, finding};

/// A day, ms.
const DAY: i64 = 86_400_000;

/// What to do about a certificate that does not do.
const ANEW: &str =
    "`parkctl ca request` here, `parkctl ca approve` at the authority; docs/SECURITY.md#certificates";

/// The files of mutual TLS.
pub(super) struct Papers<'a> {
    pub(super) cert: Option<&'a Path>,
    pub(super) key: Option<&'a Path>,
    pub(super) ca: Option<&'a Path>,
}

impl Papers<'_> {
    /// Looks at each, and whether they belong together.
    pub(super) fn look(&self, id: Option<&CentralId>) -> Vec<Finding> {
        let mut all = Vec::new();
        let cert = match self.cert.map(read) {
            None => {
                all.push(
                    finding("certificate", Verdict::Unknown, "not looked at")
                        .then("--cert-file or MESH_TLS_CERT_FILE names it"),
                );
                None
            }
            Some(Err(why)) => {
                all.push(finding("certificate", Verdict::Bad, why).then(ANEW));
                None
            }
            Some(Ok(der)) => {
                all.push(certificate(&der, id, now_ms()).then(ANEW));
                Some(der)
            }
        };
        let ca = match self.ca.map(authorities) {
            None => None,
            Some(Err(why)) => {
                let bad = finding("authority", Verdict::Bad, why);
                all.push(
                    bad.then("ca.pem of the operator's authority; --ca-file or MESH_TLS_CA_FILE names it"),
                );
                None
            }
            Some(Ok(ders)) => {
                all.extend(ders.iter().map(|der| authority(der, now_ms())));
                Some(ders)
            }
        };
        if let (Some(cert), Some(ca)) = (&cert, &ca) {
            all.extend(signed(cert, ca));
        }
        if let (Some(cert), Some(key)) = (cert, self.key) {
            all.push(key_fits(cert, key));
        }
        all
    }
}

fn read(path: &Path) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_file(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Old and new stand in one file while an authority changes.
fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|e| told(&e))?.collect();
    all.map_err(|e| told(&e))
        .and_then(|all| if all.is_empty() { Err(told(&"no certificate in it")) } else { Ok(all) })
}

fn authority(der: &CertificateDer<'_>, now: i64) -> Finding {
    match lasts(der, now) {
        Ok((verdict, detail)) => finding("authority", verdict, detail),
        Err(why) => finding("authority", Verdict::Bad, why),
    }
    .then("a new authority, spread beside the old one first; docs/SECURITY.md#certificates")
}

/// Nothing where it is good: the certificate's own line says so.
fn signed(cert: &CertificateDer<'_>, ca: &[CertificateDer<'_>]) -> Option<Finding> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(ca.iter().cloned().map(CertificateDer::into_owned));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let checked = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| e.to_string())
        .and_then(|v| v.verify_client_cert(cert, &[], UnixTime::now()).map_err(|e| e.to_string()));
    let why = checked.err()?;
    let bad =
        finding("certificate", Verdict::Bad, format!("peers with this authority do not take it: {why}"));
    Some(bad.then(format!("certificate and authority of one operator, both good today; {ANEW}")))
}

fn key_fits(cert: CertificateDer<'static>, path: &Path) -> Finding {
    let what = "key";
    let loaded = PrivateKeyDer::from_pem_file(path).map_err(|e| e.to_string());
    let fits = loaded.and_then(|key| {
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(vec![cert], key, &provider).map(drop).map_err(|e| e.to_string())
    });
    match fits {
        Ok(()) => finding(what, Verdict::Good, "the certificate's"),
        Err(why) => finding(
            what,
            Verdict::Bad,
            format!("{}: not the certificate's, or no key: {why}", path.display()),
        )
        .then(format!("the key that the request was made with; lost: {ANEW}")),
    }
}

#[expect(clippy::disallowed_methods, reason = "a person's tool, compared with a date of expiry")]
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn certificate(der: &CertificateDer<'_>, id: Option<&CentralId>, now: i64) -> Finding {
    let what = "certificate";
    let named = match identity::certified(der) {
        Ok(named) => named,
        Err(why) => return finding(what, Verdict::Bad, why),
    };
    if id.is_some_and(|id| *id != named) {
        let wanted = id.map_or_else(String::new, ToString::to_string);
        return finding(what, Verdict::Bad, format!("names {named}, the configuration is {wanted}'s"));
    }
    match lasts(der, now) {
        Ok((verdict, detail)) => finding(what, verdict, format!("names {named}, {detail}")),
        Err(why) => finding(what, Verdict::Bad, why),
    }
}

fn lasts(der: &CertificateDer<'_>, now: i64) -> Result<(Verdict, String), String> {
    let days = (identity::not_after_ms(der)? - now) / DAY;
    let verdict = judge(days);
    Ok((verdict, if days < 0 { format!("expired {} days ago", -days) } else { format!("lasts {days} days") }))
}

/// A month is what it takes to spread new ones without haste.
fn judge(days: i64) -> Verdict {
    match days {
        ..0 => Verdict::Bad,
        0..30 => Verdict::Warning,
        _ => Verdict::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_a_month_before_its_end() {
        assert_eq!(
            [-1, 0, 29, 30].map(judge),
            [Verdict::Bad, Verdict::Warning, Verdict::Warning, Verdict::Good]
        );
    }

    #[test]
    fn no_file_is_bad_and_no_setting_is_unknown() {
        let none = Papers { cert: None, key: None, ca: None };
        assert_eq!(none.look(None).first().map(|f| f.verdict), Some(Verdict::Unknown));
        let nowhere = Some(Path::new("/nowhere/tls.crt"));
        let found = Papers { cert: nowhere, key: nowhere, ca: nowhere }.look(None);
        assert!(found.len() == 2 && found.iter().all(|f| f.verdict == Verdict::Bad), "{found:?}");
        assert!(found.iter().all(|f| !f.advice.is_empty()), "{found:?}");
    }
}
