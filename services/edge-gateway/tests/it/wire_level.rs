//! What only shows on the socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{ADMIN, Rig};

async fn say(rig: &Rig, text: &str) -> String {
    let mut s = TcpStream::connect(rig.address).await.unwrap();
    s.write_all(text.as_bytes()).await.unwrap();
    let mut out = Vec::new();
    let read = s.read_to_end(&mut out);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("an end").unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

#[tokio::test]
async fn keep_alive_serves_one_after_another() {
    let rig = Rig::start().await;
    let one = format!("GET /api/edges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    let last = format!(
        "GET /api/edges HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    );
    let got = say(&rig, &format!("{one}{one}{last}")).await;
    assert_eq!(got.matches("HTTP/1.1 200 OK").count(), 3);
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let rig = Rig::start().await;
    let head = format!(
        "POST /api/edge/detection HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{"
    );
    let got = say(&rig, &head).await;
    assert!(got.starts_with("HTTP/1.1 408"), "{got}");
    assert!(got.contains("request_timeout"));
}

#[tokio::test]
async fn a_client_that_waits_for_leave_is_refused_before_it_sends() {
    let rig = Rig::start().await;
    let head = format!(
        "POST /api/edge/detection HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    let got = say(&rig, &head).await;
    assert!(got.starts_with("HTTP/1.1 413"), "{got}");
}
