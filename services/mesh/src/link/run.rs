//! A link while it lives: one reader, one writer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use replication::mesh::LinkId;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use wire::mesh::Message;

use crate::node::{Io, Node};
use crate::socket::Ws;

/// The last words may take so long.
const GOODBYE: Duration = Duration::from_secs(1);
/// A link that has said all it had to say is read for so long at most: the peer sends what it had queued, then closes too.
const LAST_READS: Duration = Duration::from_secs(5);

/// Runs a link to its end; returns why it ended.
pub(super) async fn run(node: Arc<Node>, link: LinkId, io: Arc<Io>, ws: Ws) -> String {
    let (sink, stream) = ws.split();
    let mut writer: JoinHandle<String> = tokio::spawn(write(node.clone(), link, io.clone(), sink));
    let reading = read(&node, link, stream);
    tokio::pin!(reading);
    let reason = tokio::select! {
        reason = &mut reading => Some(reason),
        () = io.stop.cancelled() => None,
        written = &mut writer => {
            // Either the socket is gone, or this link has said all it had to say.
            let reason = written.unwrap_or_else(|e| format!("writer ended: {e}"));
            drop(timeout(LAST_READS, reading).await);
            return reason;
        }
    };
    if let Some(reason) = &reason {
        // The writer hears of it as the end of the link.
        node.drive(|mesh, now| mesh.broken(now, link, reason)).await;
    }
    match timeout(GOODBYE, &mut writer).await {
        // Who closed first knows the reason best.
        Ok(Ok(said)) => reason.unwrap_or(said),
        Ok(Err(_)) => reason.unwrap_or_else(|| "closed".to_owned()),
        Err(_) => {
            writer.abort();
            reason.unwrap_or_else(|| "closed".to_owned())
        }
    }
}

async fn write(
    node: Arc<Node>,
    link: LinkId,
    io: Arc<Io>,
    mut sink: SplitSink<Ws, tungstenite::Message>,
) -> String {
    loop {
        let Some(next) = node.take(|mesh| mesh.next(link)) else {
            io.wake.notified().await;
            continue;
        };
        match next.encode() {
            Ok(Ok(bytes)) => {
                if let Err(e) = sink.send(tungstenite::Message::binary(bytes)).await {
                    return format!("sending failed: {e}");
                }
            }
            Ok(Err(reason)) => {
                if let Ok(bye) = Message::Bye(reason.clone()).encode() {
                    drop(sink.send(tungstenite::Message::binary(bye)).await);
                }
                drop(sink.close().await);
                return reason;
            }
            Err(e) => tracing::error!(link = link.0, error = %e, "message could not be encoded"),
        }
    }
}

async fn read(node: &Arc<Node>, link: LinkId, mut stream: SplitStream<Ws>) -> String {
    while let Some(m) = stream.next().await {
        let bytes = match m {
            Ok(tungstenite::Message::Binary(b)) => b,
            Ok(tungstenite::Message::Close(_)) => return "the peer closed the link".to_owned(),
            Ok(tungstenite::Message::Text(_)) => return "text came, binary expected".to_owned(),
            Ok(_) => continue,
            Err(e) => return format!("receiving failed: {e}"),
        };
        match Message::decode(&bytes) {
            Ok(m) => node.drive(|mesh, now| mesh.received(now, link, m, &bytes)).await,
            Err(e) => node.drive(|mesh, now| mesh.unreadable(now, link, &e)).await,
        }
    }
    "the connection ended".to_owned()
}
