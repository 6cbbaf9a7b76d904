//! The other end of a link, played by the test.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use wire::id::CentralId;
use wire::mesh::{Heartbeat, Hello, Message};

use super::{Issued, WITHIN};

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) struct FakePeer {
    ws: WebSocketStream<Box<dyn Io>>,
}

impl FakePeer {
    /// Dials a mesh, with a certificate or in plain text.
    pub(crate) async fn dial(port: u16, tls: Option<&Issued>) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let io: Box<dyn Io> = match tls {
            None => Box::new(tcp),
            Some(issued) => Box::new(handshake(tcp, issued).await),
        };
        let (ws, _) = tokio_tungstenite::client_async("ws://x/mesh", io).await.unwrap();
        Self { ws }
    }

    pub(crate) fn hello(id: &str, process: &str) -> Message {
        Message::Hello(Hello {
            protocol_min: 1,
            protocol_max: 1,
            central: CentralId::new(id).unwrap(),
            ledger_process: process.to_owned(),
            mesh_process: process.to_owned(),
            holding_of_you: Vec::new(),
            positions_digest: Default::default(),
            clock: 0,
            wire_version: 1,
            projection_version: 1,
        })
    }

    pub(crate) async fn send(&mut self, m: &Message) {
        self.send_bytes(m.encode().unwrap()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.ws.send(tungstenite::Message::binary(bytes)).await.unwrap();
    }

    /// The same where the other side may hang up meanwhile.
    pub(crate) async fn send_unasked(&mut self, bytes: Vec<u8>) {
        drop(self.ws.send(tungstenite::Message::binary(bytes)).await);
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.ws.send(tungstenite::Message::text(text.to_owned())).await.unwrap();
    }

    /// One message as many frames.
    pub(crate) async fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        use tungstenite::protocol::frame::Frame;
        use tungstenite::protocol::frame::coding::{Data, OpCode};
        let last = bytes.chunks(size).count() - 1;
        for (n, piece) in bytes.chunks(size).enumerate() {
            let kind = if n == 0 { Data::Binary } else { Data::Continue };
            let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), n == last);
            drop(self.ws.send(tungstenite::Message::Frame(frame)).await);
        }
    }

    /// The next message; none when the link ended, however it did.
    pub(crate) async fn try_receive(&mut self) -> Option<tungstenite::Message> {
        tokio::time::timeout(WITHIN, self.ws.next()).await.expect("something comes")?.ok()
    }

    pub(crate) async fn beat(&mut self, n: u64) {
        self.send(&Message::Heartbeat(Heartbeat {
            n,
            clock: 0,
            echo: None,
            positions_digest: None,
            ledger_process: None,
        }))
        .await;
    }

    /// The next message; none when the link ended.
    pub(crate) async fn receive(&mut self) -> Option<Message> {
        loop {
            match tokio::time::timeout(WITHIN, self.ws.next()).await.expect("something comes")?.ok()? {
                tungstenite::Message::Binary(b) => return Some(Message::decode(&b).unwrap()),
                tungstenite::Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// HELLO both ways and a first beat: the link stands.
    pub(crate) async fn link(port: u16, tls: Option<&Issued>, id: &str, process: &str) -> Self {
        let mut p = Self::dial(port, tls).await;
        p.send(&Self::hello(id, process)).await;
        assert!(matches!(p.receive().await, Some(Message::Hello(_))));
        p.beat(1).await;
        p
    }

    /// Answers beats until the link ends; returns the good-bye.
    pub(crate) async fn live(mut self) -> Option<String> {
        loop {
            match self.receive().await? {
                Message::Heartbeat(b) if b.echo.is_none() => {
                    let echo = Heartbeat { echo: Some(b.clock), ..b };
                    self.send(&Message::Heartbeat(echo)).await;
                }
                Message::Bye(reason) => return Some(reason),
                _ => {}
            }
        }
    }
}

async fn handshake(tcp: TcpStream, issued: &Issued) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(issued.ca.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector.connect(ServerName::try_from("127.0.0.1").unwrap(), tcp).await.unwrap()
}
