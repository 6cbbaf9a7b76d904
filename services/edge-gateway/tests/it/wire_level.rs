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

/// The status and the code of a refusal, which is a problem like all others.
fn refusal(said: &str) -> (&str, String) {
    let (head, body) = said.split_once("\r\n\r\n").expect("an answer");
    assert!(head.contains("application/problem+json"), "{said}");
    let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
    (&head[9..12], problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let rig = Rig::start().await;
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    let twice = format!("Authorization: Bearer {ADMIN}\r\n");
    for (fields, body) in [
        ("Transfer-Encoding: gzip, chunked\r\n", chunks),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", chunks),
        ("Transfer-Encoding: chunked, identity\r\n", chunks),
        ("Transfer-Encoding: xchunked\r\n", chunks),
        ("Transfer-Encoding : chunked\r\n", chunks),
        ("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
        ("Content-Length: +2\r\n", "{}"),
        ("Content-Length: 99999999999999999999999\r\n", "{}"),
        ("Content-Length: 2\r\nHost: y\r\n", "{}"),
        (twice.as_str(), ""),
        ("X-A: b\r\n c\r\n", ""),
        ("X A: b\r\n", ""),
        ("X-A: b\0c\r\n", ""),
    ] {
        let head = format!(
            "POST /api/edge/detection HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n\
             Connection: close\r\n{fields}\r\n{body}"
        );
        let said = say(&rig, &head).await;
        assert_eq!(refusal(&said), ("400", "malformed_request".to_owned()), "{fields} {said}");
    }
    for head in [
        "GET /livez HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /livez\r\n\r\n",
        "\0\0\0\r\n\r\n",
    ] {
        let said = say(&rig, head).await;
        assert_eq!(refusal(&said), ("400", "malformed_request".to_owned()), "{head} {said}");
    }
    let many: String = (0..80).map(|n| format!("X-{n}: y\r\n")).collect();
    let said = say(&rig, &format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert_eq!(refusal(&said), ("431", "head_too_large".to_owned()), "{said}");
    // An answer under way is left alone by what comes behind it.
    let good = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let said = say(&rig, &format!("{good}{good}GET /a b HTTP/1.1\r\n\r\n")).await;
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 2, "{said}");
    assert!(said.contains("HTTP/1.1 400"), "{said}");
}

#[tokio::test]
async fn what_follows_a_body_with_two_lengths_is_not_taken_for_a_request() {
    let rig = Rig::start().await;
    let hidden = format!("GET /api/edges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    let head = format!(
        "POST /api/edge/detection HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{hidden}",
        12 + hidden.len()
    );
    let said = say(&rig, &head).await;
    assert!(said.starts_with("HTTP/1.1 422") && said.matches("HTTP/1.1").count() == 1, "{said}");
}

#[tokio::test]
async fn paths_are_what_they_are() {
    let rig = Rig::start().await;
    for path in [
        "//api/edges",
        "/api//edges",
        "/api/./edges",
        "/api/x/../edges",
        "/%61pi/edges",
        "/api%2fedges",
        "/api/edges/",
        "/livez/../api/edges",
        "/docs/..%2fapi/edges",
        "/LIVEZ",
        "/livez;a=b",
        "*",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        assert!(say(&rig, &format!("{head}\r\n")).await.starts_with("HTTP/1.1 401"), "{path}");
        let said = say(&rig, &format!("{head}Authorization: Bearer {ADMIN}\r\n\r\n")).await;
        assert_eq!(refusal(&said), ("404", "not_found".to_owned()), "{path}");
    }
}
