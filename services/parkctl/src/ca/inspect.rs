//! What a file says.

use std::path::Path;

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::folder::{date, now_ms};
use super::sign;
use crate::output;

/// Shows a certificate or a request.
pub(super) fn show(file: &Path) -> anyhow::Result<()> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    if text.contains("CERTIFICATE REQUEST") {
        let (central, _) = sign::requested(&text).with_context(|| name.to_string())?;
        output::line(&format!("request of {central}, signed by its own key"));
        return Ok(());
    }
    let der = CertificateDer::from_pem_slice(text.as_bytes()).with_context(|| name.to_string())?;
    let central = identity::certified(&der).map_or_else(|why| format!("nobody: {why}"), |c| c.to_string());
    let end = identity::not_after_ms(&der).map_err(anyhow::Error::msg)?;
    output::line(&format!("certificate of {central}"));
    output::line(&format!("ends         {} ({} days)", date(end), (end - now_ms()).div_euclid(86_400_000)));
    output::line(&format!("fingerprint  {}", identity::fingerprint(&der)));
    Ok(())
}
