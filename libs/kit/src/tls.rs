//! What outgoing HTTP trusts. One provider for all TLS, ring; a machine without certificate authorities still speaks plain HTTP.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Makes ring the provider of the process, for clients that are not given a configuration. The first caller counts.
pub fn use_ring() {
    drop(ring::default_provider().install_default());
}

/// What this machine trusts, and the authorities of a PEM file beside it. May be empty.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn trusted(ca_file: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        for certificate in CertificateDer::pem_file_iter(file)? {
            roots.add(certificate?)?;
        }
    }
    Ok(roots)
}

/// The TLS side of an HTTP client that believes these authorities.
///
/// # Errors
/// None that is known: ring speaks every version.
pub fn client(roots: RootCertStore) -> anyhow::Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
