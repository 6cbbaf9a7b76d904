//! Accepting a peer: TLS, WebSocket.

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use wire::http::TestStage;

use super::{Failure, Io, STAGE_LIMIT, TEST_PATH, Ws, limits, options};
use crate::security::{Paper, Protection};

/// An accepted WebSocket.
pub(crate) struct Accepted {
    /// Messages.
    pub(crate) ws: Ws,
    /// The certificate it showed; none in plain text.
    pub(crate) paper: Option<Paper>,
    /// A test connection: no link comes of it.
    pub(crate) test: bool,
}

/// Takes the handshakes of a connection.
pub(crate) async fn accept(tcp: TcpStream, protection: Protection) -> Result<Accepted, Failure> {
    options(&tcp).map_err(|e| Failure::io(TestStage::Tcp, &e))?;
    let (io, paper): (Box<dyn Io>, _) = match protection {
        Protection::Off => return Err(Failure::refused(TestStage::Tls, "links are off")),
        Protection::Plain => {
            let from = tcp.peer_addr().map_err(|e| Failure::io(TestStage::Tcp, &e))?;
            if !from.ip().to_canonical().is_loopback() {
                return Err(Failure::refused(TestStage::Tcp, "plain-text links come from loopback only"));
            }
            (Box::new(tcp), None)
        }
        Protection::Tls(identity) => {
            let tls = timeout(STAGE_LIMIT, identity.acceptor.accept(tcp))
                .await
                .map_err(|_| Failure::late(TestStage::Tls))?
                .map_err(|e| Failure::io(TestStage::Tls, &e))?;
            let leaf = tls.get_ref().1.peer_certificates().and_then(|c| c.first());
            let leaf = leaf.ok_or_else(|| Failure::refused(TestStage::Tls, "no certificate"))?;
            let paper = Paper::of(leaf, &identity).map_err(|e| Failure::refused(TestStage::Tls, e))?;
            (Box::new(tls), Some(paper))
        }
    };
    let mut test = false;
    #[expect(clippy::result_large_err, reason = "the library's callback type")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        test = request.uri().path() == TEST_PATH;
        Ok(response)
    };
    let ws = timeout(STAGE_LIMIT, tokio_tungstenite::accept_hdr_async_with_config(io, look, Some(limits())))
        .await
        .map_err(|_| Failure::late(TestStage::Websocket))?
        .map_err(|e| Failure::ws(TestStage::Websocket, &e))?;
    Ok(Accepted { ws, paper, test })
}
