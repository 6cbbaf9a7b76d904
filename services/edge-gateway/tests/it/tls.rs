//! HTTPS, where the site has a certificate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{Rig, until};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn write(folder: &Path, by: &CertifiedIssuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["gateway".to_owned()]).unwrap().signed_by(&key, by).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
}

/// A GET over TLS by somebody who trusts this authority alone; none when the handshake fails.
async fn get(
    rig: &Rig,
    by: &CertifiedIssuer<'static, KeyPair>,
    version: &'static SupportedProtocolVersion,
) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(by.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let name = ServerName::try_from("gateway").unwrap();
    let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()?;
    tls.write_all(b"GET /livez HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut text = String::new();
    tls.read_to_string(&mut text).await.ok()?;
    Some(text)
}

#[tokio::test]
async fn https_speaks_both_versions_and_takes_a_new_certificate_without_a_restart() {
    let folder = std::env::temp_dir().join(format!("gateway-tls-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let (one, other) = (authority(), authority());
    write(&folder, &one);
    let path = |name: &str| folder.join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let vars = [("GATEWAY_TLS_CERT_FILE", cert.as_str()), ("GATEWAY_TLS_KEY_FILE", key.as_str())];
    let rig = Rig::unready(&vars).await;
    until("HTTPS is served", async || {
        get(&rig, &one, &TLS13).await.is_some_and(|t| t.starts_with("HTTP/1.1 200"))
    })
    .await;
    assert!(get(&rig, &one, &TLS12).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&rig, &other, &TLS13).await.is_none(), "not under another authority");

    // Plain HTTP gets no answer, and a silent one no place for ever.
    let mut plain = TcpStream::connect(rig.address).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n").await.unwrap();
    let mut got = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), plain.read_to_end(&mut got)).await;
    assert!(ended.is_ok() && !got.starts_with(b"HTTP"), "{got:?}");
    let mut silent = TcpStream::connect(rig.address).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(15), silent.read(&mut [0; 16])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");

    // What cannot be used changes nothing; what can is used by the next connection.
    std::fs::write(folder.join("cert.pem"), "nothing").unwrap();
    assert!(get(&rig, &one, &TLS13).await.is_some());
    write(&folder, &other);
    until("the new certificate is used", async || get(&rig, &other, &TLS13).await.is_some()).await;
    std::fs::remove_dir_all(&folder).unwrap();
}
