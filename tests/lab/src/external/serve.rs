//! As much HTTP as three documents need.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{State, lock};
use crate::topology::CentralId;

/// A request that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// A request head is shorter.
const HEAD: usize = 16 * 1024;

pub(super) async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let state = Arc::clone(&state);
                    connections.spawn(async move {
                        // The caller went away, or said nothing: nobody to tell.
                        let _ = tokio::time::timeout(PATIENCE, attend(stream, &state)).await;
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn attend(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        let byte = stream.read_u8().await?;
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some(answer) = answer(&head, state) else { return Ok(()) };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// None for a central that has no access: the connection ends without a word.
fn answer(head: &str, state: &Mutex<State>) -> Option<String> {
    let mut words = head.split_ascii_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let mut parts = path.trim_matches('/').split('/');
    let (central, document) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let mut state = lock(state);
    if central.parse::<CentralId>().is_ok_and(|c| state.cut_off.contains(&c)) {
        return None;
    }
    let plain = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    if method != "GET" {
        return Some(plain("405 Method Not Allowed"));
    }
    let Some((body, etag)) = state.documents.get(document) else { return Some(plain("404 Not Found")) };
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("if-none-match").then(|| value.trim().to_owned())
    };
    if head.lines().find_map(header).is_some_and(|known| known == etag) {
        return Some(format!("HTTP/1.1 304 Not Modified\r\netag: {etag}\r\nconnection: close\r\n\r\n"));
    }
    let length = body.len();
    Some(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: {etag}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}
