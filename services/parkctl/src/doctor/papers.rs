//! Certificates: whom they name, whose they are, how long they last.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use wire::id::CentralId;

use super::{Finding, Verdict, finding};

/// A day, ms.
const DAY: i64 = 86_400_000;

/// Looks at the certificate and the authority.
pub(super) fn look(cert: Option<&Path>, ca: Option<&Path>, id: Option<&CentralId>) -> Vec<Finding> {
    let mut all = Vec::new();
    match cert {
        Some(path) => all.push(read(path).map_or_else(
            |why| finding("certificate", Verdict::Bad, why),
            |der| certificate(&der, id, now_ms()),
        )),
        None => all.push(finding("certificate", Verdict::Unknown, "MESH_TLS_CERT_FILE is not set")),
    }
    if let Some(path) = ca {
        all.push(read(path).and_then(|der| lasts(&der, now_ms())).map_or_else(
            |why| finding("authority", Verdict::Bad, why),
            |(verdict, detail)| finding("authority", verdict, detail),
        ));
    }
    all
}

fn read(path: &Path) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_file(path).map_err(|e| format!("{}: {e}", path.display()))
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
        return finding(what, Verdict::Bad, format!("names {named}, the configuration another"));
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
        assert_eq!(look(None, None, None).first().map(|f| f.verdict), Some(Verdict::Unknown));
        let nowhere = Path::new("/nowhere/tls.crt");
        let found = look(Some(nowhere), Some(nowhere), None);
        assert!(found.len() == 2 && found.iter().all(|f| f.verdict == Verdict::Bad), "{found:?}");
    }
}
