//! The central a certificate names: URI `parkmesh://central/<id>` among its alternative names.

use rustls::pki_types::CertificateDer;
use wire::id::CentralId;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const PREFIX: &str = "parkmesh://central/";

fn parsed<'a>(cert: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    X509Certificate::from_der(cert.as_ref())
        .map(|(_, c)| c)
        .map_err(|e| format!("certificate cannot be read: {e}"))
}

/// The central this certificate names. Errors: it names none, or more than one.
pub fn certified(cert: &CertificateDer<'_>) -> Result<CentralId, String> {
    let cert = parsed(cert)?;
    let names = cert
        .subject_alternative_name()
        .map_err(|e| format!("certificate's alternative names cannot be read: {e}"))?
        .map(|ext| ext.value.general_names.as_slice())
        .unwrap_or_default();
    let mut ids = names.iter().filter_map(|n| match n {
        GeneralName::URI(uri) => uri.strip_prefix(PREFIX),
        _ => None,
    });
    match (ids.next(), ids.next()) {
        (Some(id), None) => CentralId::new(id).map_err(|e| format!("certificate's central id {e}")),
        (None, _) => Err(format!("certificate names no central ({PREFIX}<id>)")),
        (Some(_), Some(_)) => Err("certificate names more than one central".to_owned()),
    }
}

/// When the certificate ends, ms since the epoch.
pub fn not_after_ms(cert: &CertificateDer<'_>) -> Result<i64, String> {
    Ok(parsed(cert)?.validity().not_after.timestamp().saturating_mul(1000))
}

/// The public key's bits, as they stand in the certificate.
pub(crate) fn public_key(cert: &CertificateDer<'_>) -> Result<Vec<u8>, String> {
    Ok(parsed(cert)?.public_key().subject_public_key.data.to_vec())
}
