//! The external API, as it is and as it fails; and centrals that get its documents from each other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wire::alarm::AlarmCode;
use wire::bus::query::{SyncPeers, SyncQuery};
use wire::bus::reference::{SourceNow, SyncReference};
use wire::bus::state::SyncState;
use wire::bus::subject::SYNC_STATE;
use wire::reference::DocumentKind::{self, RateTables, Staff, Subscriptions};

use crate::site::{Central, Site, until};

/// What the stand-in answers to one path.
#[derive(Debug, Clone)]
enum Answer {
    Document(Value),
    Raw(&'static str),
    Status(u16),
    /// Says that it will be long, and is.
    Long,
    /// Never ends.
    Endless,
    /// Says nothing.
    Silent,
}

#[derive(Debug, Default)]
struct Seen {
    heads: Vec<String>,
}

/// A stand-in for the external API.
#[derive(Clone)]
struct Api {
    answers: Arc<Mutex<[Answer; 3]>>,
    seen: Arc<Mutex<Seen>>,
    port: u16,
}

impl Api {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let document = |v: i64| Answer::Document(json!({"version": v, "items": []}));
        let answers = Arc::new(Mutex::new([document(1), document(2), document(3)]));
        let api = Self { answers, seen: Arc::default(), port: listener.local_addr().unwrap().port() };
        let served = api.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().attend(stream));
            }
        });
        api
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/base/", self.port)
    }

    fn answer(&self, kind: DocumentKind, answer: Answer) {
        let place = DocumentKind::ALL.iter().position(|k| *k == kind).unwrap();
        self.answers.lock().unwrap()[place] = answer;
    }

    fn all(&self, answer: &Answer) {
        for kind in DocumentKind::ALL {
            self.answer(kind, answer.clone());
        }
    }

    /// Requests for a document, by the lines of their heads.
    fn asked(&self, kind: DocumentKind) -> Vec<String> {
        let line = format!("GET /base/{} HTTP/1.1", kind.path());
        self.seen.lock().unwrap().heads.iter().filter(|h| h.starts_with(&line)).cloned().collect()
    }

    async fn attend(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(b) = stream.read_u8().await else { return };
            head.push(b);
        }
        let head = String::from_utf8(head).unwrap();
        let kind =
            DocumentKind::ALL.iter().position(|k| head.contains(&format!("/base/{} ", k.path()))).unwrap();
        self.seen.lock().unwrap().heads.push(head.clone());
        let answer = self.answers.lock().unwrap()[kind].clone();
        let known = head.lines().find_map(|l| l.strip_prefix("if-none-match: ").map(str::to_owned));
        let whole = |body: &str, etag: &str| {
            if known.as_deref() == Some(etag) {
                return format!("HTTP/1.1 304 Not Modified\r\netag: {etag}\r\nconnection: close\r\n\r\n");
            }
            let n = body.len();
            format!(
                "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {n}\r\nconnection: close\r\n\r\n{body}"
            )
        };
        let text = match answer {
            Answer::Document(d) => whole(&d.to_string(), &format!("\"v{}\"", d["version"])),
            Answer::Raw(body) => whole(body, "\"raw\""),
            Answer::Status(s) => {
                format!("HTTP/1.1 {s} Whatever\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            }
            Answer::Long => "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{".to_owned(),
            Answer::Endless => {
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                let spaces = vec![b' '; 64 * 1024];
                if stream.write_all(head.as_bytes()).await.is_ok() {
                    while stream.write_all(&spaces).await.is_ok() {}
                }
                return;
            }
            Answer::Silent => return std::future::pending().await,
        };
        drop(stream.write_all(text.as_bytes()).await);
        drop(stream.shutdown().await);
    }
}

/// The same behind TLS; its address, and a file with the authority that vouches for it.
async fn behind_tls(api: &Api) -> (String, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let file = std::env::temp_dir().join(format!("sync-it-ca-{}.pem", uuid::Uuid::new_v4()));
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/base", listener.local_addr().unwrap().port());
    let api = api.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(secure) = acceptor.accept(stream).await {
                tokio::spawn(api.clone().attend(secure));
            }
        }
    });
    (url, file)
}

#[tokio::test]
async fn an_api_behind_tls_is_believed_by_its_authority_only() {
    let api = Api::start().await;
    let (url, ca) = behind_tls(&api).await;
    let mut site = Site::new(2, 5000).await;
    for c in &mut site.centrals {
        c.environment.push(("EXTERNAL_API_URL".into(), url.clone()));
        c.environment.push(("EXTERNAL_API_INTERVAL".into(), "1".into()));
    }
    let (_, other) = behind_tls(&api).await;
    for (c, file) in site.centrals.iter_mut().zip([&ca, &other]) {
        c.environment.push(("EXTERNAL_API_CA_FILE".into(), file.to_string_lossy().into_owned()));
    }
    site.start().await;
    let (trusting, strange) = (&site.centrals[0], &site.centrals[1]);
    until("all documents are there", || trusting.documents.shelf().handed_over == 3).await;
    until_source(strange, Staff, "not believed", |s| {
        reason(s).starts_with("no answer: no secure connection")
    })
    .await;
    assert_eq!(strange.documents.shelf().handed_over, 0);
    for file in [ca, other] {
        std::fs::remove_file(file).unwrap();
    }
}

async fn site(of: usize, api: &Api) -> Site {
    let mut site = Site::new(of, 5000).await;
    let central = &mut site.centrals[0];
    for (key, value) in [
        ("EXTERNAL_API_URL", api.url()),
        ("EXTERNAL_API_INTERVAL", "1".into()),
        ("EXTERNAL_API_TIMEOUT", "1".into()),
    ] {
        central.environment.push((key.to_owned(), value));
    }
    site
}

async fn now(c: &Central) -> SyncReference {
    c.ask(&SyncQuery::Reference).await
}

async fn source(c: &Central, kind: DocumentKind) -> SourceNow {
    now(c).await.sources.into_iter().find(|s| s.kind == kind).unwrap()
}

/// Waits until a question of the service is answered so.
async fn until_source(
    c: &Central,
    kind: DocumentKind,
    what: &str,
    so: impl Fn(&SourceNow) -> bool,
) -> SourceNow {
    let start = tokio::time::Instant::now();
    loop {
        let s = source(c, kind).await;
        if so(&s) {
            return s;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "in vain: {what}: {s:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn reason(s: &SourceNow) -> String {
    s.error.as_ref().map(|e| e.reason.clone()).unwrap_or_default()
}

#[tokio::test]
async fn documents_are_handed_over_once_and_asked_for_conditionally() {
    let api = Api::start().await;
    let mut site = site(1, &api).await;
    let token = std::env::temp_dir().join(format!("sync-it-token-{}", uuid::Uuid::new_v4()));
    std::fs::write(&token, "geheim\n").unwrap();
    site.centrals[0]
        .environment
        .push(("EXTERNAL_API_TOKEN_FILE".into(), token.to_string_lossy().into_owned()));
    site.start().await;
    let c = &site.centrals[0];
    until("all documents are there", || {
        DocumentKind::ALL.iter().all(|k| c.documents.shelf().version(*k).is_some())
    })
    .await;
    until("they are asked for again", || DocumentKind::ALL.iter().all(|k| api.asked(*k).len() >= 3)).await;
    assert_eq!(c.documents.shelf().handed_over, 3, "once each");
    let asked = api.asked(Subscriptions);
    assert!(!asked[0].contains("if-none-match") && asked[2].contains("if-none-match: \"v3\""), "{asked:?}");
    assert!(asked.iter().all(|h| h.contains("authorization: Bearer geheim\r\n")));
    let s = source(c, Subscriptions).await;
    assert_eq!((s.published, s.error), (Some(true), None));
    assert!(!now(c).await.stale);
    // A new version.
    api.answer(Staff, Answer::Document(json!({"version": 9, "items": []})));
    until("the new version is there", || c.documents.shelf().version(Staff) == Some(9)).await;
    std::fs::remove_file(token).unwrap();
}

#[tokio::test]
async fn a_restart_fetches_nothing_that_is_held() {
    let api = Api::start().await;
    let mut site = site(1, &api).await;
    site.start().await;
    let shelf = site.centrals[0].documents.clone();
    until("all documents are there", || shelf.shelf().handed_over == 3).await;
    site.centrals[0].kill().await;
    let before = api.asked(RateTables).len();
    site.start().await;
    until("they are asked for again", || api.asked(RateTables).len() > before).await;
    let asked = api.asked(RateTables);
    assert!(asked[before].contains("if-none-match: \"v1\""), "{asked:?}");
    assert_eq!(shelf.shelf().handed_over, 3);
}

#[tokio::test]
async fn each_failure_is_named_and_the_last_good_document_stays() {
    let api = Api::start().await;
    let mut site = site(1, &api).await;
    site.start().await;
    let c = &site.centrals[0];
    until("all documents are there", || c.documents.shelf().handed_over == 3).await;
    api.answer(RateTables, Answer::Status(500));
    api.answer(Staff, Answer::Silent);
    api.answer(Subscriptions, Answer::Long);
    until_source(c, RateTables, "500", |s| reason(s) == "the external API answers 500").await;
    until_source(c, Staff, "time-out", |s| reason(s) == "no answer: it took too long").await;
    until_source(c, Subscriptions, "long", |s| reason(s).starts_with("the document is larger than")).await;
    api.answer(RateTables, Answer::Endless);
    api.answer(Staff, Answer::Status(401));
    api.answer(Subscriptions, Answer::Raw("{\"items\": []}"));
    until_source(c, RateTables, "endless", |s| reason(s).starts_with("the document is larger than")).await;
    until_source(c, Staff, "401", |s| reason(s) == "the external API answers 401").await;
    let bad = until_source(c, Subscriptions, "bad", |s| reason(s) == "/version: is missing").await;
    assert_eq!(bad.error.unwrap().errors[0].field, "/version");
    // It is bad as long as it does not change; nobody hands it over again.
    let (handed, asked) = (c.documents.shelf().handed_over, api.asked(Subscriptions).len());
    until("asked again", || api.asked(Subscriptions).len() >= asked + 2).await;
    assert_eq!(reason(&source(c, Subscriptions).await), "/version: is missing");
    assert_eq!(c.documents.shelf().handed_over, handed);
    assert_eq!(DocumentKind::ALL.map(|k| c.documents.shelf().version(k)), [Some(1), Some(2), Some(3)]);
    // No such document is no failure.
    api.answer(Staff, Answer::Status(404));
    api.answer(RateTables, Answer::Document(json!({"version": 4, "items": []})));
    api.answer(Subscriptions, Answer::Document(json!({"version": 5, "items": []})));
    let gone = until_source(c, Staff, "404", |s| s.published == Some(false)).await;
    assert_eq!(gone.error, None);
    until_source(c, Subscriptions, "good again", |s| s.error.is_none()).await;
    until_source(c, RateTables, "good again", |s| s.error.is_none()).await;
}

#[tokio::test]
async fn an_api_that_is_gone_is_told_and_one_that_is_back_too() {
    let api = Api::start().await;
    let mut site = site(1, &api).await;
    site.start().await;
    let c = &site.centrals[0];
    let mut states = c.bus.subscribe(SYNC_STATE).await.unwrap();
    let mut told = async |wanted: bool| {
        let heard = async {
            loop {
                let state: SyncState = states.next().await.unwrap().json().unwrap();
                if state.no_external_api == wanted {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), heard).await.expect("the state is told");
    };
    until("all documents are there", || c.documents.shelf().handed_over == 3).await;
    told(false).await;
    api.all(&Answer::Status(503));
    told(true).await;
    assert!(now(c).await.stale);
    api.all(&Answer::Status(404));
    told(false).await;
}

#[tokio::test]
async fn a_document_without_a_good_answer_for_too_long_is_an_alarm() {
    let api = Api::start().await;
    let mut site = site(1, &api).await;
    site.centrals[0].environment.push(("EXTERNAL_API_ALARM_AFTER".into(), "3".into()));
    site.start().await;
    let c = &site.centrals[0];
    let stale = async |wanted: &str| {
        let start = tokio::time::Instant::now();
        loop {
            let all: SyncPeers = c.ask(&SyncQuery::Peers).await;
            let detail =
                all.alarms.into_iter().find(|a| a.code == AlarmCode::ExternalApiStale).map(|a| a.detail);
            if detail.as_deref().unwrap_or("").contains(wanted) && detail.is_some() != wanted.is_empty() {
                return detail.unwrap_or_default();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "in vain: {wanted:?}: {detail:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until("all documents are there", || c.documents.shelf().handed_over == 3).await;
    // Bad is as good as none.
    api.answer(Subscriptions, Answer::Raw("{\"items\": []}"));
    let said = stale("/version: is missing").await;
    assert!(said.starts_with("subscriptions for 0 minutes") && !said.contains("staff"), "{said}");
    api.answer(Staff, Answer::Status(503));
    stale("staff for 0 minutes: the external API answers 503").await;
    // No such document is an answer, and what does not change is good.
    api.answer(Staff, Answer::Status(404));
    api.answer(Subscriptions, Answer::Document(json!({"version": 3, "items": []})));
    stale("").await;
}

#[tokio::test]
async fn a_ledger_that_is_away_gets_the_document_later() {
    let api = Api::start().await;
    let mut site = site(1, &api).await;
    site.centrals[0].documents.shelf().broken = true;
    site.start().await;
    let c = &site.centrals[0];
    until("the service answers", || c.health.missing().is_empty()).await;
    c.documents.shelf().broken = false;
    until("all documents are there", || c.documents.shelf().handed_over == 3).await;
    c.documents.shelf().broken = true;
    api.answer(Staff, Answer::Document(json!({"version": 9, "items": []})));
    until_source(c, Staff, "not taken", |s| reason(s).starts_with("the ledger did not take it")).await;
    c.documents.shelf().broken = false;
    until("it is taken", || c.documents.shelf().version(Staff) == Some(9)).await;
}

#[tokio::test]
async fn centrals_without_access_get_documents_from_each_other() {
    let api = Api::start().await;
    let items: Vec<Value> = (0..20_000_u32)
        .map(|n| json!({"id": n, "x": n.wrapping_mul(2_654_435_761), "y": n.wrapping_mul(40_503).wrapping_add(n << 7)}))
        .collect();
    let large = json!({"version": 7, "items": items});
    assert!(large.to_string().len() > 700_000);
    api.answer(Subscriptions, Answer::Document(large));
    let mut site = site(3, &api).await;
    site.start().await;
    // 1 – 2 – 3: the third central sees nobody who has access.
    site.link(0, 1, true).await;
    site.link(1, 2, true).await;
    for c in &site.centrals[1..] {
        assert!(!now(c).await.configured);
        until("every document is there", || {
            DocumentKind::ALL.map(|k| c.documents.shelf().version(k)) == [Some(1), Some(2), Some(7)]
        })
        .await;
    }
    let told = now(&site.centrals[2]).await.peers;
    let versions: Vec<i64> = told[0].documents.iter().map(|d| d.version).collect();
    assert_eq!((told.len(), told[0].id.as_str(), versions), (1, "central-2", vec![1, 2, 7]));
    api.answer(RateTables, Answer::Document(json!({"version": 8, "items": []})));
    until("a new version has gone all the way", || {
        site.centrals[2].documents.shelf().version(RateTables) == Some(8)
    })
    .await;
}
