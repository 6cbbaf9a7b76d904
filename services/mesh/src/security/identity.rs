//! This central's certificate and key, and the CA that vouches for peers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ::identity::{DenyList, Signer, certified, not_after_ms};
use kit::{BadSetting, MeshTlsFiles};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wire::hash::Hash32;
use wire::id::CentralId;

use super::verifier::OperatorCa;

const DENY: &str = "MESH_TLS_DENY_FILE";

/// TLS both ways, ready for use.
pub(crate) struct Identity {
    /// For links this central dials.
    pub(crate) connector: TlsConnector,
    /// For links the peer dials.
    pub(crate) acceptor: TlsAcceptor,
    /// Seals bundles.
    pub(crate) signer: Signer,
    /// The operator's CA.
    pub(crate) roots: Arc<RootCertStore>,
    /// Certificates that count no more.
    pub(crate) denied: DenyList,
    /// Hash of the files.
    pub(crate) content: Hash32,
    /// When the certificate ends, ms.
    pub(crate) not_after_ms: i64,
    /// When the first certificate of the CA's file ends, ms.
    pub(crate) ca_not_after_ms: i64,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("not_after_ms", &self.not_after_ms).finish_non_exhaustive()
    }
}

fn bad(key: &str, file: &Path, reason: impl fmt::Display) -> BadSetting {
    BadSetting { key: key.into(), value: file.display().to_string(), reason: reason.to_string() }
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, BadSetting> {
    std::fs::read(file).map_err(|e| bad(key, file, format!("cannot be read: {e}")))
}

fn certificates(key: &str, file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadSetting> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(c) if c.is_empty() => Err(bad(key, file, "holds no PEM certificate")),
        Ok(c) => Ok(c),
        Err(e) => Err(bad(key, file, format!("is no PEM certificate: {e}"))),
    }
}

/// The list of certificates that count no more. Errors: it cannot be read whole.
fn deny_list(files: &MeshTlsFiles) -> Result<DenyList, BadSetting> {
    let Some(file) = &files.deny else { return Ok(DenyList::default()) };
    let text = read(DENY, file)?;
    DenyList::parse(&String::from_utf8_lossy(&text)).map_err(|e| bad(DENY, file, e))
}

impl Identity {
    /// Hash of the files' content.
    pub(crate) fn fingerprint(files: &MeshTlsFiles) -> Result<Hash32, BadSetting> {
        let ca = read("MESH_TLS_CA_FILE", &files.ca)?;
        let cert = read("MESH_TLS_CERT_FILE", &files.cert)?;
        let key = read("MESH_TLS_KEY_FILE", &files.key)?;
        let denied = match &files.deny {
            Some(file) => read(DENY, file)?,
            None => Vec::new(),
        };
        Ok(Hash32::of(&[&ca, b"|", &cert, b"|", &key, b"|", &denied]))
    }

    /// Reads the files; the certificate must name this central. Errors: one line naming setting and file.
    pub(crate) fn read(files: &MeshTlsFiles, me: &CentralId) -> Result<Self, BadSetting> {
        let (ca_key, cert_key, key_key) = ("MESH_TLS_CA_FILE", "MESH_TLS_CERT_FILE", "MESH_TLS_KEY_FILE");
        let content = Self::fingerprint(files)?;
        let denied = deny_list(files)?;
        let mut roots = RootCertStore::empty();
        let mut ca_not_after_ms = i64::MAX;
        for ca in certificates(ca_key, &files.ca, &read(ca_key, &files.ca)?)? {
            ca_not_after_ms = ca_not_after_ms.min(not_after_ms(&ca).unwrap_or(i64::MAX));
            roots.add(ca).map_err(|e| bad(ca_key, &files.ca, format!("cannot be used as a CA: {e}")))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(cert_key, &files.cert, &read(cert_key, &files.cert)?)?;
        let bad_cert = |e: &dyn fmt::Display| bad(cert_key, &files.cert, e);
        let leaf = chain.first().ok_or_else(|| bad_cert(&"holds no PEM certificate"))?;
        let named = certified(leaf).map_err(|e| bad_cert(&e))?;
        if named != *me {
            return Err(bad_cert(&format!("the certificate names {named}, but this central is {me}")));
        }
        let not_after_ms = not_after_ms(leaf).map_err(|e| bad_cert(&e))?;
        let key = || -> Result<PrivateKeyDer<'static>, BadSetting> {
            PrivateKeyDer::from_pem_slice(&read(key_key, &files.key)?)
                .map_err(|e| bad(key_key, &files.key, format!("is no PEM private key: {e}")))
        };
        let bad_key =
            |e: rustls::Error| bad(key_key, &files.key, format!("does not fit the certificate: {e}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;

        let signer =
            Signer::new(&provider, chain.clone(), key()?).map_err(|e| bad(key_key, &files.key, e))?;

        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| bad_cert(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(OperatorCa::new(roots.clone(), algorithms)))
            .with_client_auth_cert(chain.clone(), key()?)
            .map_err(bad_key)?;
        // Peers are named by their certificate, not by DNS; and every link verifies anew, so that a certificate that was
        // replaced or has ended never lives on in a ticket.
        client.enable_sni = false;
        client.resumption = Resumption::disabled();

        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|e| bad(ca_key, &files.ca, e))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| bad_cert(&e))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key()?)
            .map_err(bad_key)?;
        server.send_tls13_tickets = 0;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            signer,
            roots,
            denied,
            content,
            not_after_ms,
            ca_not_after_ms,
        })
    }
}
