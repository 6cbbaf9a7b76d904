//! TLS for the lanes and people, where the site has a certificate: 1.2 and 1.3, read again when the files change.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kit::{BadSetting, GatewayTlsFiles, Shutdown};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use wire::hash::Hash32;

/// A handshake may take so long: whoever connects and says nothing holds a place no longer.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How often the files are looked at. They are small; content is compared, so symlink swaps are seen.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes both ways, TLS or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What a new connection is met with.
#[derive(Clone)]
pub(crate) struct Door(watch::Receiver<Option<Arc<ServerConfig>>>);

impl Door {
    /// The connection, after the handshake where there is one; none when it came to nothing.
    pub(crate) async fn open(&self, socket: TcpStream) -> Option<Box<dyn Io>> {
        let config = self.0.borrow().clone();
        let Some(config) = config else { return Some(Box::new(socket)) };
        // Port scans and clients that speak plain HTTP are no news.
        let shaken = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(socket)).await;
        Some(Box::new(shaken.ok()?.ok()?))
    }
}

fn bad(key: &str, file: &Path, reason: impl std::fmt::Display) -> BadSetting {
    BadSetting { key: key.into(), value: file.display().to_string(), reason: reason.to_string() }
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, BadSetting> {
    std::fs::read(file).map_err(|e| bad(key, file, format!("cannot be read: {e}")))
}

/// Reads certificate and key. Errors: one line naming setting and file.
pub(crate) fn config(files: &GatewayTlsFiles) -> Result<(Hash32, ServerConfig), BadSetting> {
    let (cert_key, key_key) = ("GATEWAY_TLS_CERT_FILE", "GATEWAY_TLS_KEY_FILE");
    let (cert, key) = (read(cert_key, &files.cert)?, read(key_key, &files.key)?);
    let content = Hash32::of(&[&cert, b"|", &key]);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert)
        .collect::<Result<_, _>>()
        .map_err(|e| bad(cert_key, &files.cert, format!("is no PEM certificate: {e}")))?;
    if chain.is_empty() {
        return Err(bad(cert_key, &files.cert, "holds no PEM certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|e| bad(key_key, &files.key, format!("is no PEM private key: {e}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(cert_key, &files.cert, e))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| bad(key_key, &files.key, format!("does not fit the certificate: {e}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((content, config))
}

/// The door of this gateway, plain where no files are set. Errors: files that cannot be used at the start; later ones are
/// logged, and the last good certificate stays.
pub(crate) fn door(files: Option<GatewayTlsFiles>, shutdown: &Shutdown) -> Result<Door, BadSetting> {
    let Some(files) = files else { return Ok(Door(watch::channel(None).1)) };
    let (mut had, first) = config(&files)?;
    let (tx, rx) = watch::channel(Some(Arc::new(first)));
    let token = shutdown.token();
    shutdown.spawn("gateway-certificate", async move {
        let mut complained = None;
        while token.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            match config(&files) {
                Ok((content, new)) => {
                    complained = None;
                    if content != had {
                        had = content;
                        tx.send_replace(Some(Arc::new(new)));
                        tracing::info!("certificate changed; new connections use it");
                    }
                }
                Err(e) if complained.as_ref() == Some(&e) => {}
                Err(e) => {
                    tracing::error!(reason = %e, "new certificate refused, the last good one stays");
                    complained = Some(e);
                }
            }
        }
        Ok(())
    });
    Ok(Door(rx))
}
