//! Sockets: TCP, TLS and WebSocket up to the point where messages flow.

mod accept;
mod dial;
mod failure;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use wire::mesh::MAX_FRAME_BYTES;

pub(crate) use accept::{Accepted, accept};
pub(crate) use dial::dial;
pub(crate) use failure::Failure;

/// Each stage of a handshake may take so long.
pub(crate) const STAGE_LIMIT: Duration = Duration::from_secs(5);
/// Sent data that is not acknowledged for so long ends the connection: both sides dial again instead of waiting for TCP's own
/// patience, which is a quarter of an hour.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(10);
/// Path of an ordinary link.
pub(crate) const LINK_PATH: &str = "/mesh";
/// Path of a test connection: HELLO and one beat, then it ends.
pub(crate) const TEST_PATH: &str = "/mesh/test";

/// Bytes both ways, TLS or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A WebSocket after its handshake.
pub(crate) type Ws = WebSocketStream<Box<dyn Io>>;

fn options(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = socket2::SockRef::from(tcp);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT))?;
    socket.set_keepalive(true)
}

fn limits() -> WebSocketConfig {
    // The buffer takes one message beyond its target; a peer that does not read then stops its own writer only.
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(2 * MAX_FRAME_BYTES + 64 * 1024)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
}
