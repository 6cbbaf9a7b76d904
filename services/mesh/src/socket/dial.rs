//! Dialling a peer: name, TCP, TLS, WebSocket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::config::PeerCentral;
use wire::http::TestStage;

use super::{Failure, Io, STAGE_LIMIT, Ws, limits, options};
use crate::security::{Paper, Protection};

/// A WebSocket to the peer, and its certificate (none in plain text), which names the one dialled.
pub(crate) async fn dial(
    peer: &PeerCentral,
    path: &str,
    protection: Protection,
) -> Result<(Ws, Option<Paper>), Failure> {
    if matches!(protection, Protection::Off) {
        let reason = "this central runs without MESH_TLS_*_FILE and cannot link; set them and restart mesh";
        return Err(Failure::refused(TestStage::Tls, reason));
    }
    let addresses = resolve(peer).await?;
    if matches!(protection, Protection::Plain) && addresses.iter().any(|a| !a.ip().is_loopback()) {
        return Err(Failure::refused(TestStage::Tcp, "plain-text links go to loopback addresses only"));
    }
    let tcp = connect(&addresses).await?;
    options(&tcp).map_err(|e| Failure::io(TestStage::Tcp, &e))?;
    let (io, paper): (Box<dyn Io>, _) = match protection {
        Protection::Tls(identity) => {
            // Only needed by the interface: peers are named by certificate, see `OperatorCa`.
            let nobody = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let tls = timeout(STAGE_LIMIT, identity.connector.connect(nobody, tcp))
                .await
                .map_err(|_| Failure::late(TestStage::Tls))?
                .map_err(|e| Failure::io(TestStage::Tls, &e))?;
            let leaf = tls.get_ref().1.peer_certificates().and_then(|c| c.first());
            let leaf = leaf.ok_or_else(|| Failure::refused(TestStage::Tls, "no certificate"))?;
            let paper = Paper::of(leaf, &identity).map_err(|e| Failure::refused(TestStage::Tls, e))?;
            if paper.central != peer.id {
                let error = format!("dialled {}, but the certificate names {}", peer.id, paper.central);
                return Err(Failure::refused(TestStage::Tls, error));
            }
            (Box::new(tls), Some(paper))
        }
        Protection::Plain | Protection::Off => (Box::new(tcp), None),
    };
    // The host of the request means nothing here: the certificate names the peer.
    let url = format!("ws://parkmesh{path}");
    let ws = timeout(STAGE_LIMIT, tokio_tungstenite::client_async_with_config(url, io, Some(limits())))
        .await
        .map_err(|_| Failure::late(TestStage::Websocket))?
        .map_err(|e| Failure::ws(TestStage::Websocket, &e))?;
    Ok((ws.0, paper))
}

async fn resolve(peer: &PeerCentral) -> Result<Vec<SocketAddr>, Failure> {
    let found = timeout(STAGE_LIMIT, tokio::net::lookup_host((peer.ip.as_str(), peer.p2p_port)))
        .await
        .map_err(|_| Failure::late(TestStage::Resolve))?
        .map_err(|e| Failure::at(TestStage::Resolve, e))?;
    let found: Vec<_> = found.take(4).collect();
    if found.is_empty() { Err(Failure::at(TestStage::Resolve, "the name has no address")) } else { Ok(found) }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    timeout(STAGE_LIMIT, TcpStream::connect(addresses))
        .await
        .map_err(|_| Failure::late(TestStage::Tcp))?
        .map_err(|e| Failure::io(TestStage::Tcp, &e))
}
