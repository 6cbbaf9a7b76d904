//! Floods, idlers and tricklers, and a lane that goes on meanwhile.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{ADMIN, Rig, key, send};
use crate::stand_ins::LedgerMood;

/// What a lane may notice of somebody else's flood: so many times its quiet time, and what a busy machine's scheduling takes.
const TIMES: u32 = 20;
const SCHEDULING: Duration = Duration::from_millis(150);

/// The median time of a lane's requests, each on a connection of its own now and then.
async fn lane_takes(rig: &Rig, n: usize) -> Duration {
    let mut took = Vec::new();
    for i in 0..n {
        let begun = Instant::now();
        let body = json!({"edge_id": "edge-out", "plate": format!("29A{i:05}")});
        let got = rig.post_as(&key("edge-out"), "/api/edge/barrier/open", &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        took.push(begun.elapsed());
    }
    took.sort();
    took[n / 2]
}

/// A lane's time while something else goes on, against its quiet time.
async fn bounded_while(rig: &Rig, flood: impl Future<Output = ()>) {
    let quiet = lane_takes(rig, 30).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let flooding = async {
        tokio::select! {
            () = flood => panic!("the flood goes on until it is stopped"),
            _ = stopped => {}
        }
    };
    let lane = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let took = lane_takes(rig, 60).await;
        let _ = stop.send(());
        took
    };
    let ((), loaded) = tokio::join!(flooding, lane);
    assert!(loaded <= quiet * TIMES + SCHEDULING, "quiet {quiet:?}, in the flood {loaded:?}");
}

/// Many connections that send one request after another with a key, for ever; counts the answers by status.
async fn hammer(rig: &Rig, connections: usize, key: &str) {
    let mut all = JoinSet::new();
    let body = json!({"edge_id": "edge-in", "plate": "29A12345"}).to_string();
    let request = format!(
        "POST /api/edge/barrier/open HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..connections {
        let (address, request) = (rig.address, request.clone());
        all.spawn(async move {
            loop {
                let Ok(mut socket) = TcpStream::connect(address).await else { continue };
                let mut buffer = vec![0; 16 * 1024];
                while socket.write_all(request.as_bytes()).await.is_ok() {
                    match socket.read(&mut buffer).await {
                        Ok(n) if n > 0 => {}
                        _ => break,
                    }
                }
            }
        });
    }
    while all.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_with_one_key_leaves_the_other_lanes_alone() {
    let rig = Rig::start().await;
    // Each command costs: all the flood has in the ledger's queue would be waited for.
    rig.stand_ins.mood(LedgerMood::Slow);
    bounded_while(&rig, hammer(&rig, 600, &key("edge-in"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_with_bad_keys_leaves_the_lanes_alone() {
    let rig = Rig::start().await;
    bounded_while(&rig, hammer(&rig, 300, "guess")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_in_thousands_keep_nobody_out() {
    let rig = Rig::with(&[("HTTP_CONNECTIONS", "512"), ("HTTP_CONNECTIONS_PER_ADDRESS", "256")]).await;
    let idlers = async {
        let mut held = Vec::new();
        for n in 0.. {
            held.push(TcpStream::connect(rig.address).await.unwrap());
            if n % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if held.len() > 3000 {
                held.drain(..1000);
            }
        }
    };
    bounded_while(&rig, idlers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tricklers_are_hung_up_on_and_slow_nobody() {
    let rig = Rig::with(&[("HTTP_HEAD_TIMEOUT", "1")]).await;
    let trickle = async {
        let mut all = JoinSet::new();
        for _ in 0..200 {
            let address = rig.address;
            all.spawn(async move {
                loop {
                    let mut socket = TcpStream::connect(address).await.unwrap();
                    for byte in
                        b"GET /api/edges HTTP/1.1\r\nHost: x\r\nX-Slow: ".iter().chain([b'a'].iter().cycle())
                    {
                        if socket.write_all(&[*byte]).await.is_err() {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            });
        }
        while all.join_next().await.is_some() {}
    };
    bounded_while(&rig, trickle).await;
}

/// Sends a text piece by piece with pauses; returns how long the other side listened, and what it said.
async fn dribble(rig: &Rig, first: &str, piece: &str, pause: Duration) -> (Duration, String) {
    let socket = TcpStream::connect(rig.address).await.unwrap();
    let (mut reader, mut writer) = socket.into_split();
    let begun = Instant::now();
    let (first, piece) = (first.to_owned(), piece.to_owned());
    let writing = tokio::spawn(async move {
        drop(writer.write_all(first.as_bytes()).await);
        while writer.write_all(piece.as_bytes()).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    });
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), reader.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "it listens for ever");
    writing.abort();
    (begun.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn a_head_has_its_time_and_so_has_silence() {
    let rig = Rig::with(&[("HTTP_HEAD_TIMEOUT", "1"), ("HTTP_IDLE_TIMEOUT", "4")]).await;
    let pause = Duration::from_millis(100);
    let (took, said) = dribble(&rig, "GET /livez HTTP/1.1\r\nHost: x\r\n", "A: b\r\n", pause).await;
    assert!(said.is_empty() && (1..4).contains(&took.as_secs()), "{took:?} {said}");
    // Kept alive for longer than a head may take, and no longer than it says.
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    let begun = Instant::now();
    let mut said = Vec::new();
    socket.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut said)).await.unwrap().unwrap();
    assert!(said.starts_with(b"HTTP/1.1 200"));
    assert!((3..9).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_trickled_body_ends_with_408() {
    let rig = Rig::start().await;
    let head = format!(
        "POST /api/edge/detection HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n\
         Content-Length: 60000\r\n\r\n"
    );
    let (took, said) = dribble(&rig, &head, " ", Duration::from_millis(200)).await;
    assert!(said.starts_with("HTTP/1.1 408") && took < Duration::from_secs(16), "{took:?} {said}");
}

#[tokio::test]
async fn whoever_does_not_read_is_given_up() {
    let rig = Rig::with(&[("HTTP_SEND_TIMEOUT", "1")]).await;
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    let one = format!("GET /api/openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    // Answers of far more bytes than sockets hold, and nobody reads them.
    let writing = async { while socket.write_all(one.as_bytes()).await.is_ok() {} };
    let ended = tokio::time::timeout(Duration::from_secs(20), writing).await;
    assert!(ended.is_ok(), "the connection stands although nothing is read");
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_number() {
    let rig = Rig::start().await;
    let many: String = (0..80).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(40_000));
    let path = format!("/api/edges?x={}", "y".repeat(40_000));
    for (path, fields) in [("/livez", many.as_str()), ("/livez", &long), (path.as_str(), "")] {
        let mut socket = TcpStream::connect(rig.address).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n").as_bytes()).await.unwrap();
        let mut said = vec![0; 64];
        let n = socket.read(&mut said).await.unwrap_or(0);
        let said = String::from_utf8_lossy(&said[..n]).into_owned();
        assert!(said.starts_with("HTTP/1.1 431") || said.starts_with("HTTP/1.1 414"), "{said}");
    }
}

#[tokio::test]
async fn unknown_keys_of_one_address_are_slowed_down_and_known_ones_are_not() {
    let rig = Rig::with(&[("FAILED_KEYS_PER_ADDRESS", "1")]).await;
    let guess = async |n: usize| {
        send(rig.request(Method::GET, "/api/edges", Some(&format!("guess-{n}")))).await.status
    };
    let mut told = Vec::new();
    for n in 0..14 {
        told.push(guess(n).await);
    }
    assert_eq!(&told[..10], &[401; 10]);
    assert!(told[10..].contains(&429), "{told:?}");
    let slow = Instant::now();
    let got = send(rig.request(Method::GET, "/api/edges", Some("guess"))).await;
    if got.status == 429 {
        assert_eq!(got.code(), "rate_limited");
        assert!(slow.elapsed() >= Duration::from_millis(400), "guessing on is slow");
    }
    assert_eq!(rig.get("/api/edges").await.status, 200, "the same address with a key that counts");
    // Without any key nobody guesses.
    for _ in 0..30 {
        assert_eq!(send(rig.request(Method::GET, "/api/edges", None)).await.status, 401);
    }
}

#[tokio::test]
async fn an_address_has_a_rate_whoever_it_is_and_headers_change_nothing() {
    let rig = Rig::with(&[("RATE_LIMIT_PER_ADDRESS", "5")]).await;
    let mut refused = None;
    for n in 0..40 {
        let r = rig.request(Method::GET, "/api/edges", Some(ADMIN));
        let r =
            r.header("x-forwarded-for", format!("10.0.0.{n}")).header("forwarded", format!("for=10.0.0.{n}"));
        let got = send(r).await;
        if got.status == 429 {
            refused = Some(got);
            break;
        }
    }
    assert_eq!(refused.expect("a limit").code(), "rate_limited");
}

#[tokio::test]
async fn too_much_of_one_key_at_once_is_told_at_once_with_the_barrier() {
    let rig = Rig::with(&[("HTTP_REQUESTS_PER_PRINCIPAL", "2")]).await;
    rig.stand_ins.mood(LedgerMood::Silent);
    let one = |edge: &'static str, plate: usize| {
        let body = json!({"edge_id": edge, "plate": format!("29A{plate:05}")});
        let r = rig.request(Method::POST, "/api/edge/barrier/open", Some(&key(edge))).json(&body);
        async move {
            let begun = Instant::now();
            (send(r).await, begun.elapsed())
        }
    };
    let mut all = JoinSet::new();
    for n in 0..12 {
        all.spawn(one("edge-in", n));
    }
    let mut busy = 0;
    while let Some(got) = all.join_next().await {
        let (got, took) = got.unwrap();
        assert_eq!(got.status, 503);
        let said = (got.body["decision"].as_str(), got.body["barrier"].as_str(), &got.body["recorded"]);
        assert_eq!(said, (Some("open"), Some("open"), &json!(false)), "{got:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        busy += usize::from(got.code() == "busy");
    }
    // Two at work, the others wait in vain or are refused; on a slow machine one may come when the first two have gone.
    assert!((4..=10).contains(&busy), "{busy}");
    let mut exits = JoinSet::new();
    for n in 0..3 {
        exits.spawn(one("edge-out", n));
    }
    while let Some(got) = exits.join_next().await {
        assert_eq!(got.unwrap().0.body["barrier"], "keep_closed");
    }
}
