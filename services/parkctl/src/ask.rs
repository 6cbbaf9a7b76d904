//! Questions to a running central.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::output;

/// Which central, and how to get in.
#[derive(clap::Args)]
pub(crate) struct Central {
    /// The gateway's address
    #[arg(long, alias = "central", env = "PARKMESH_URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// File with an operator's token
    #[arg(long, env = "ADMIN_TOKEN_FILE")]
    token_file: PathBuf,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

impl Central {
    /// The central at this address.
    pub(crate) fn new(url: &str, token_file: &std::path::Path) -> Self {
        Self { url: url.to_owned(), token_file: token_file.to_owned(), json: false }
    }

    /// A request with the token. Errors: no token, an unusable address.
    pub(crate) fn request(
        &self,
        client: &reqwest::Client,
        method: reqwest::Method,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<reqwest::RequestBuilder> {
        let token = std::fs::read_to_string(&self.token_file)
            .with_context(|| format!("{} cannot be read", self.token_file.display()))?;
        let mut url =
            reqwest::Url::parse(&format!("{}{path}", self.url.trim_end_matches('/'))).context("--url")?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().map(|(k, v)| (*k, v.as_str())));
        }
        Ok(client.request(method, url).bearer_auth(token.trim()))
    }

    /// The gateway's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The answer is wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Prints an answer: as JSON, or in words.
    pub(crate) fn show(&self, answer: &Value, words: impl FnOnce()) {
        if self.json { output::line(&answer.to_string()) } else { words() }
    }
}

/// A client that trusts whom this machine trusts; that may be nobody, for plain HTTP it is enough. Errors: none that is known.
pub(crate) fn http() -> anyhow::Result<reqwest::ClientBuilder> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls))
}

/// A question. Errors: no answer, or a refusal.
pub(crate) async fn get(central: &Central, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
    ask(central, reqwest::Method::GET, path, query, None).await
}

/// Takes something away. Errors: no answer, or a refusal.
pub(crate) async fn delete(central: &Central, path: &str) -> anyhow::Result<Value> {
    ask(central, reqwest::Method::DELETE, path, &[], None).await
}

/// A request with a body. Errors: no answer, or a refusal.
pub(crate) async fn post(central: &Central, path: &str, body: &Value) -> anyhow::Result<Value> {
    ask(central, reqwest::Method::POST, path, &[], Some(body)).await
}

async fn ask(
    central: &Central,
    method: reqwest::Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let token = std::fs::read_to_string(&central.token_file)
        .with_context(|| format!("{} cannot be read", central.token_file.display()))?;
    let mut url =
        reqwest::Url::parse(&format!("{}{path}", central.url.trim_end_matches('/'))).context("--url")?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let client = http()?.timeout(Duration::from_secs(30)).build()?;
    let request = client.request(method, url);
    let request = match body {
        None => request,
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
    };
    let answer = request
        .bearer_auth(token.trim())
        .send()
        .await
        .with_context(|| format!("{} does not answer", central.url))?;
    let status = answer.status();
    let body: Value = answer.json().await.context("the answer is no JSON")?;
    if !status.is_success() {
        let faults: Vec<String> = items(&body, "errors")
            .map(|e| format!("{} {}", text(&e["field"]), text(&e["message"])))
            .collect();
        bail!("{status}: {} {}", body["detail"].as_str().unwrap_or("no detail"), faults.join("; "));
    }
    Ok(body)
}

/// A value for people.
pub(crate) fn text(v: &Value) -> String {
    match v {
        Value::Null => "-".to_owned(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// The items of a list.
pub(crate) fn items<'a>(v: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    v[key].as_array().into_iter().flatten()
}

/// `parkctl status`: exit 1 when a peer is not linked.
pub(crate) async fn status(central: &Central) -> anyhow::Result<ExitCode> {
    let s = get(central, "/api/v1/p2p/status", &[]).await?;
    let whole =
        items(&s, "peers").all(|p| matches!(p["state"].as_str(), Some("connected" | "behind" | "disabled")));
    if central.json {
        output::line(&s.to_string());
    } else {
        output::line(&format!(
            "{}  {}  {} peers linked  {} sessions  only here: {}  degraded: {}",
            text(&s["central_id"]),
            text(&s["mode"]),
            text(&s["connected_peers"]),
            text(&s["history_rows"]),
            text(&s["held_only_here"]),
            text(&s["degraded"])
        ));
        output::line(&format!("digest {}", text(&s["digest"])));
        for p in items(&s, "peers") {
            output::line(&format!(
                "  {:<16} {:<10} rtt {} ms  skew {} ms  behind {}  {}",
                text(&p["id"]),
                text(&p["state"]),
                text(&p["rtt_ms"]),
                text(&p["clock_skew_ms"]),
                text(&p["behind_events"]),
                p["last_error"].as_str().unwrap_or_default()
            ));
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `parkctl history`: exit 1 when there is none.
pub(crate) async fn history(central: &Central, plate: &str) -> anyhow::Result<ExitCode> {
    let page = get(central, "/api/v1/parking/history", &[("plate", plate)]).await?;
    let found = items(&page, "items").next().is_some();
    if central.json {
        output::line(&page.to_string());
    } else if !found {
        output::line("no session of this plate");
    }
    if !central.json {
        for s in items(&page, "items") {
            output::line(&format!(
                "{}  {}  in {} at {}  out {} at {}  fee {} {}",
                text(&s["event_id"]),
                text(&s["status"]),
                text(&s["source_central"]),
                text(&s["entry_time"]),
                text(&s["exit_central"]),
                text(&s["exit_time"]),
                text(&s["fee"]),
                text(&s["currency"])
            ));
        }
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What `parkctl audit` shows.
#[derive(clap::Args)]
pub(crate) struct Audit {
    /// Go through the last two days first, and wait for it
    #[arg(long)]
    run: bool,
    /// So many days back
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
    /// Only this origin
    #[arg(long)]
    site: Option<String>,
    #[command(flatten)]
    central: Central,
}

/// `parkctl audit`: exit 1 when a finding stands or a day differs from a peer's.
pub(crate) async fn audit(a: &Audit) -> anyhow::Result<ExitCode> {
    let (central, days) = (&a.central, a.days.to_string());
    let mut query = vec![("days", days.as_str())];
    query.extend(a.site.iter().map(|s| ("site", s.as_str())));
    let path = "/api/v1/p2p/audit";
    let mut v = get(central, path, &query).await?;
    if a.run {
        let begun = post(central, path, &Value::Null).await?;
        let end = tokio::time::Instant::now() + Duration::from_secs(120);
        loop {
            v = get(central, path, &query).await?;
            if v["progress"]["recent_at"] != begun["recent_at"] {
                break;
            }
            if tokio::time::Instant::now() > end {
                bail!("the pass did not end within two minutes");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let open = v["open_findings"].as_u64().unwrap_or(0);
    let differs = items(&v, "days").any(|d| d["state"] == "differs");
    if central.json {
        output::line(&v.to_string());
    } else {
        show(&v, open);
    }
    Ok(if open > 0 || differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(v: &Value, open: u64) {
    let p = &v["progress"];
    output::line(&format!("{}  {open} findings open", text(&v["central_id"])));
    output::line(&format!(
        "last two days gone through at {} in {} ms; all at {} in {} s; {} events counted",
        text(&p["recent_at"]),
        text(&p["recent_ms"]),
        text(&p["full_at"]),
        text(&p["full_s"]),
        text(&p["events"])
    ));
    output::line(&format!(
        "{:<11} {:<16} {:>8} {:>14} {:>12} {:>14}  {:<12} digest",
        "day", "site", "events", "charged", "waived", "paid", "state"
    ));
    for d in items(v, "days") {
        output::line(&format!(
            "{:<11} {:<16} {:>8} {:>14} {:>12} {:>14}  {:<12} {}",
            text(&d["day"]),
            text(&d["site"]),
            text(&d["events"]),
            text(&d["charged"]),
            text(&d["waived"]),
            text(&d["paid"]),
            text(&d["state"]),
            d["digest"].as_str().and_then(|s| s.get(..16)).unwrap_or_default()
        ));
    }
    for c in items(v, "compared") {
        output::line(&format!(
            "  {} with {}: {} at {}, {} events",
            text(&c["site"]),
            text(&c["peer"]),
            text(&c["state"]),
            text(&c["at"]),
            text(&c["events"])
        ));
    }
    for f in items(v, "findings") {
        output::line(&format!(
            "  #{} {} {} at {}: {}  found {}{}",
            text(&f["id"]),
            text(&f["state"]),
            text(&f["what"]),
            text(&f["place"]),
            text(&f["detail"]),
            text(&f["found_at"]),
            f["repaired_at"].as_str().map_or_else(String::new, |at| {
                format!(", repaired {at} from {}", text(&f["repaired_by"]))
            })
        ));
    }
}
