//! The HTTP client of the external API: one connection per question, plain or through TLS. Once a minute there is nothing to keep open.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kit::tls;
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, Url, redirect};

/// Why there is no answer, in words for people; no address in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(String);

/// The server behind an address.
pub(super) struct Server {
    client: Client,
    base: Url,
}

impl Server {
    /// Errors: no such address, or certificates that cannot be read.
    pub(super) fn of(url: &str, ca_file: Option<&Path>, connect: Duration) -> anyhow::Result<Self> {
        let mut base: Url = url.parse().context("EXTERNAL_API_URL is no address")?;
        ensure!(base.has_host(), "EXTERNAL_API_URL names no host");
        base.set_query(None);
        base.set_fragment(None);
        let trusted = tls::trusted(ca_file);
        let trusted = trusted.with_context(|| format!("EXTERNAL_API_CA_FILE={}", shown(ca_file)))?;
        ensure!(
            base.scheme() != "https" || !trusted.is_empty(),
            "no certificate authority is trusted here: name one in EXTERNAL_API_CA_FILE"
        );
        let client = Client::builder()
            .tls_backend_preconfigured(tls::client(trusted)?)
            .connect_timeout(connect)
            // The token is for this server alone: nobody is followed elsewhere.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .context("HTTP client")?;
        Ok(Self { client, base })
    }

    /// Asks for a document below the base address.
    pub(super) async fn get(&self, document: &str, headers: HeaderMap) -> Result<Response, NoAnswer> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{document}", self.base.path().trim_end_matches('/')));
        self.client.get(url).headers(headers).send().await.map_err(NoAnswer::of)
    }
}

impl NoAnswer {
    /// What the client says, without the address.
    pub(super) fn of(e: reqwest::Error) -> Self {
        let cause = causes(&e).last().map_or_else(|| "it ended".to_owned(), ToString::to_string);
        match secure(&e) {
            Some(why) => Self(format!("no secure connection: {why}")),
            None if e.is_connect() => Self("it cannot be reached".to_owned()),
            None => Self(format!("the connection broke: {cause}")),
        }
    }
}

fn shown(file: Option<&Path>) -> String {
    file.map(|f| f.display().to_string()).unwrap_or_default()
}

/// What stands behind an error, the nearest first.
fn causes(e: &reqwest::Error) -> Vec<&(dyn std::error::Error + 'static)> {
    let mut all = Vec::new();
    let mut next = e.source();
    while let Some(cause) = next {
        all.push(cause);
        next = cause.source();
    }
    all
}

/// What TLS had against it.
fn secure(e: &reqwest::Error) -> Option<&rustls::Error> {
    causes(e).into_iter().find_map(within)
}

/// It travels inside errors of I/O, maybe in several, which do not count it among their sources.
fn within<'e>(e: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    e.downcast_ref().or_else(|| within(e.downcast_ref::<std::io::Error>()?.get_ref()?))
}
