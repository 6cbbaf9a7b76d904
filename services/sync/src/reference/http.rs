//! One GET, over a connection of its own: HTTP/1.1, plain or through TLS. Once a minute there is nothing to keep open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Why there is no answer, in words for people; no address in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(String);

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// The server behind an address.
pub(super) struct Server {
    host: String,
    port: u16,
    authority: HeaderValue,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connect: Duration,
}

/// An answer whose connection lives as long as it.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    driver: JoinHandle<()>,
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Server {
    /// Errors: no such address, or certificates that cannot be read.
    pub(super) fn of(url: &str, ca_file: Option<&Path>, connect: Duration) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().context("EXTERNAL_API_URL is no address")?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        ensure!(!host.is_empty(), "EXTERNAL_API_URL names no host");
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let shown = uri.authority().map(|a| a.as_str()).unwrap_or_default();
        let shown = shown.rsplit_once('@').map_or(shown, |(_, host)| host);
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).context("EXTERNAL_API_URL: host")?;
            Some((connector(ca_file)?, name))
        } else {
            None
        };
        let authority = HeaderValue::from_str(shown).context("EXTERNAL_API_URL: host")?;
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port, authority, path, tls, connect })
    }

    /// Asks for a document below the base address.
    pub(super) async fn get(&self, document: &str, mut headers: HeaderMap) -> Result<Answered, NoAnswer> {
        headers.insert(HOST, self.authority.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = format!("{}/{document}", self.path).parse().map_err(|_| broke("the path"))?;
        *request.headers_mut() = headers;
        let io = tokio::time::timeout(self.connect, self.io()).await;
        let io = io.map_err(|_| NoAnswer("it cannot be reached".to_owned()))??;
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(broke)?;
        let driver = tokio::spawn(async move {
            // What goes wrong, the request or the reading of its answer hears.
            drop(connection.await);
        });
        match sender.send_request(request).await {
            Ok(response) => Ok(Answered { response, driver }),
            Err(e) => {
                driver.abort();
                Err(broke(e))
            }
        }
    }

    async fn io(&self) -> Result<Box<dyn Io>, NoAnswer> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|_| NoAnswer("it cannot be reached".to_owned()))?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => {
                let secure = connector.connect(name.clone(), stream).await;
                Ok(Box::new(secure.map_err(|e| NoAnswer(format!("no secure connection: {e}")))?))
            }
        }
    }
}

/// The connection broke while it was in use.
pub(super) fn broke(e: impl std::fmt::Display) -> NoAnswer {
    NoAnswer(format!("the connection broke: {e}"))
}

/// Trusts what this machine trusts, and the operator's own authority where one is named.
fn connector(ca_file: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // A machine may have none: then only the operator's own counts.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let mut read = || -> anyhow::Result<()> {
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
            Ok(())
        };
        read().with_context(|| format!("EXTERNAL_API_CA_FILE={}", file.display()))?;
    }
    ensure!(!roots.is_empty(), "no certificate authority is trusted here: name one in EXTERNAL_API_CA_FILE");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
