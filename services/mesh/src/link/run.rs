//! A link while it lives: one reader, one writer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use wire::bus::events::Carried;
use wire::mesh::Message;

use super::Link;
use super::outbox::Next;
use crate::node::Node;
use crate::socket::Ws;

/// The last words may take so long.
const GOODBYE: Duration = Duration::from_secs(1);
/// A retired link is read for so long at most: the peer sends what it had queued, then closes too.
const LAST_READS: Duration = Duration::from_secs(5);

/// Runs a link to its end; returns why it ended. `first`: a message read during the handshake.
pub(crate) async fn run(node: Arc<Node>, link: Arc<Link>, ws: Ws, first: Option<Message>) -> String {
    let (sink, stream) = ws.split();
    let mut writer: JoinHandle<String> = tokio::spawn(write(link.clone(), sink));
    link.probe(kit::clock::now_ms(), node.ledger.recent_digest());
    let reading = read(node, link.clone(), stream, first);
    tokio::pin!(reading);
    let (reason, written) = tokio::select! {
        reason = &mut reading => (reason, false),
        () = link.stop.cancelled() => (String::new(), false),
        written = &mut writer => {
            // Either the socket is gone, or this spare link has said all it had to say.
            let reason = written.unwrap_or_else(|e| format!("writer ended: {e}"));
            drop(timeout(LAST_READS, reading).await);
            (reason, true)
        }
    };
    link.outbox.end(&reason);
    if written {
        return reason;
    }
    match timeout(GOODBYE, &mut writer).await {
        // Who closed first knows the reason best.
        Ok(Ok(said)) if reason.is_empty() => said,
        Ok(_) => reason,
        Err(_) => {
            writer.abort();
            if reason.is_empty() { "closed".to_owned() } else { reason }
        }
    }
}

async fn write(link: Arc<Link>, mut sink: SplitSink<Ws, tungstenite::Message>) -> String {
    loop {
        let bytes = match link.outbox.next().await {
            Next::Message(bytes) => Ok(bytes),
            Next::Live(events) => {
                Message::Events(events.into_iter().map(Arc::unwrap_or_clone).collect::<Vec<Carried>>())
                    .encode()
            }
            Next::End(reason) => {
                if let Ok(bye) = Message::Bye(reason.clone()).encode() {
                    drop(sink.send(tungstenite::Message::binary(bye)).await);
                }
                drop(sink.close().await);
                return reason;
            }
        };
        match bytes {
            Ok(bytes) => {
                if let Err(e) = sink.send(tungstenite::Message::binary(bytes)).await {
                    return format!("sending failed: {e}");
                }
            }
            Err(e) => tracing::error!(peer = %link.peer, error = %e, "message could not be encoded"),
        }
    }
}

async fn read(
    node: Arc<Node>,
    link: Arc<Link>,
    mut stream: SplitStream<Ws>,
    first: Option<Message>,
) -> String {
    if let Some(m) = first
        && let Some(bye) = take(&node, &link, m, None).await
    {
        return bye;
    }
    let (mut unknown, mut unreadable) = (0u64, 0u64);
    while let Some(m) = stream.next().await {
        let bytes = match m {
            Ok(tungstenite::Message::Binary(b)) => b,
            Ok(tungstenite::Message::Close(_)) => return "the peer closed the link".to_owned(),
            Ok(tungstenite::Message::Text(_)) => return "text came, binary expected".to_owned(),
            Ok(_) => continue,
            Err(e) => return format!("receiving failed: {e}"),
        };
        match Message::decode(&bytes) {
            Ok(m) => {
                if let Some(bye) = take(&node, &link, m, Some(&bytes)).await {
                    return bye;
                }
            }
            Err(wire::mesh::BadMessage::UnknownType(t)) => {
                link.heard();
                unknown += 1;
                if unknown == 1 {
                    tracing::warn!(peer = %link.peer, message_type = t, "the peer sends messages of a later version, skipped");
                }
            }
            Err(e) => {
                // One bad message never costs the link: the next would bring it again.
                link.heard();
                unreadable += 1;
                if unreadable == 1 {
                    tracing::warn!(peer = %link.peer, error = %e, "message skipped");
                }
            }
        }
    }
    "the connection ended".to_owned()
}

/// Handles one message. Some(reason) when it ends the link.
async fn take(node: &Arc<Node>, link: &Arc<Link>, message: Message, bytes: Option<&[u8]>) -> Option<String> {
    link.heard();
    match message {
        Message::Heartbeat(beat) => {
            match beat.echo {
                None => {
                    link.beat_came(&beat, kit::clock::now_ms());
                    if let Some(digest) = beat.positions_digest {
                        crate::relay::digest_came(node, &link.peer, digest);
                    }
                }
                Some(_) => {
                    if let Some(echo) = link.echo_came(beat.n) {
                        node.peers.echo(link, echo, beat.clock);
                    }
                }
            }
            node.peers.settle(&link.peer);
        }
        Message::Events(events) => link.inbox.push(events),
        m @ (Message::Positions(_) | Message::SyncRequest(_) | Message::SyncResponse(_)) => {
            let bytes = match bytes {
                Some(b) => b.to_vec(),
                None => m.encode().ok()?,
            };
            crate::relay::to_sync(node, &link.peer, bytes).await;
        }
        Message::PlateQuestion(q) => crate::relay::answer_plate_question(node, link, q),
        Message::PlateAnswer(a) => node.lookups.answered(&link.peer, a),
        Message::Bye(reason) => {
            let short: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
            return Some(format!("the peer ended the link: {short}"));
        }
        Message::Hello(_) => return Some("HELLO came twice".to_owned()),
    }
    None
}
