//! HELLO of a test connection, which never becomes a link: this side speaks first and judges the answer.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use replication::mesh::HelloFacts;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use wire::http::TestStage;
use wire::id::CentralId;
use wire::mesh::{Hello, Message};

use crate::node::Node;
use crate::socket::{Failure, STAGE_LIMIT, Ws};

/// Speaks first. `certified`: the central the peer's certificate names.
pub(crate) async fn as_dialler(
    ws: &mut Ws,
    node: &Arc<Node>,
    peer: &CentralId,
    certified: Option<CentralId>,
) -> Result<Hello, Failure> {
    let hello = node.drive(|mesh, now| mesh.hello(now, HelloFacts::default())).await;
    send(ws, &Message::Hello(hello)).await?;
    let hello = expect_hello(ws).await?;
    let judged = node.look(|mesh| mesh.judge(&hello, certified, Some(peer.clone())));
    if let Err(refusal) = judged {
        // The other side's operator should read the reason too.
        drop(send(ws, &Message::Bye(refusal.to_string())).await);
        drop(timeout(STAGE_LIMIT, ws.close(None)).await);
        return Err(Failure::refused(TestStage::Hello, refusal));
    }
    Ok(hello)
}

async fn expect_hello(ws: &mut Ws) -> Result<Hello, Failure> {
    match receive(ws).await? {
        Message::Hello(hello) => Ok(hello),
        Message::Bye(reason) => Err(said_no(&reason)),
        other => Err(Failure::at(TestStage::Hello, format!("HELLO expected, {} came", other.name()))),
    }
}

/// The other side ended the link before it stood.
pub(crate) fn said_no(reason: &str) -> Failure {
    let short: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
    Failure::refused(TestStage::Hello, format!("the peer refuses us: {short}"))
}

/// Sends one message during the handshake.
pub(crate) async fn send(ws: &mut Ws, message: &Message) -> Result<(), Failure> {
    let bytes = message.encode().map_err(|e| Failure::at(TestStage::Hello, e))?;
    timeout(STAGE_LIMIT, ws.send(tungstenite::Message::binary(bytes)))
        .await
        .map_err(|_| Failure::late(TestStage::Hello))?
        .map_err(|e| Failure::ws(TestStage::Hello, &e))
}

/// Receives one message during the handshake.
pub(crate) async fn receive(ws: &mut Ws) -> Result<Message, Failure> {
    let next = async {
        while let Some(m) = ws.next().await {
            match m.map_err(|e| Failure::ws(TestStage::Hello, &e))? {
                tungstenite::Message::Binary(b) => {
                    return Message::decode(&b).map_err(|e| Failure::at(TestStage::Hello, e));
                }
                tungstenite::Message::Text(_) => {
                    return Err(Failure::at(TestStage::Hello, "text came, binary expected"));
                }
                tungstenite::Message::Close(_) => break,
                _ => {}
            }
        }
        Err(Failure::at(TestStage::Hello, "the peer closed the connection"))
    };
    timeout(STAGE_LIMIT, next).await.map_err(|_| Failure::late(TestStage::Hello))?
}
