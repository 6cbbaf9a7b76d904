//! The decoders of what callers send, for fuzzers: each reads bytes as its endpoint does, and says what holds of whatever it lets pass.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use futures_util::FutureExt;
use wire::bus::command::Seen;
use wire::config::P2pConfig;

use crate::body;
use crate::endpoints::edge::{barrier_close, batch, plate_recognizer};
use crate::fields::{Faults, Object};
use crate::lane_request::{self, MAX_EVENT_ID};
use crate::params::{Params, idempotency_key};
use crate::site::Site;

/// A text that was let pass.
fn holds(text: &str, most: usize) {
    assert!(text.chars().count() <= most && !text.contains('\0'), "{text:?}");
}

fn seen_holds(seen: &Seen) {
    holds(&seen.plate, parking::plate::MAX_CHARS);
    assert!(seen.candidates.len() <= 10, "{seen:?}");
    seen.candidates.iter().for_each(|c| holds(c, parking::plate::MAX_CHARS));
    assert!(seen.confidence_pm.is_none_or(|c| c <= 1000), "{seen:?}");
    seen.image_ref.iter().for_each(|r| holds(r, 512));
    if let Some(c) = &seen.credential {
        holds(&c.id, 128);
    }
}

/// The gateway's decoders over one configuration.
#[derive(Debug)]
pub struct Decoders {
    site: Site,
}

impl Decoders {
    /// Over this configuration.
    pub fn new(config: P2pConfig) -> Self {
        Self { site: Site::of(Arc::new(config)) }
    }

    /// `detection` and `barrier/open`.
    pub fn open(&self, bytes: &[u8]) {
        let Ok(value) = body::parse(bytes) else { return };
        let Ok(o) = Object::of(&value) else { return };
        let mut f = Faults::default();
        let read = lane_request::read(&mut f, &o, &self.site, true);
        let open = lane_request::read_open(&mut f, &o);
        if f.done().is_err() {
            return;
        }
        holds(&read.edge_id, 64);
        seen_holds(&read.seen);
        open.event_id.iter().for_each(|t| holds(t, MAX_EVENT_ID));
        [&open.staff_id, &open.pin, &open.reason].into_iter().flatten().for_each(|t| holds(t, 500));
        assert!(open.payment.is_none_or(|p| p.amount >= 0));
    }

    /// `barrier/close`.
    pub fn close(&self, bytes: &[u8]) {
        let Ok(value) = body::parse(bytes) else { return };
        let Ok(o) = Object::of(&value) else { return };
        let mut f = Faults::default();
        let read = barrier_close::read(&mut f, &o, &self.site);
        if f.done().is_ok() {
            holds(&read.edge_id, 64);
            read.event_id.iter().for_each(|t| holds(t, MAX_EVENT_ID));
        }
    }

    /// `batch`.
    pub fn batch(&self, bytes: &[u8]) {
        let Ok(value) = body::parse(bytes) else { return };
        let Ok(items) = batch::items(&value) else { return };
        assert!(items.len() <= 500);
        for item in items {
            if let Ok(item) = batch::read(item) {
                item.key
                    .iter()
                    .for_each(|k| assert!(k.bytes().all(|b| b.is_ascii_graphic()) && k.len() <= 255));
                let body = item.body.to_string();
                self.open(body.as_bytes());
                self.close(body.as_bytes());
            }
        }
    }

    /// The webhook: its JSON.
    pub fn webhook(&self, json: &[u8]) {
        if let Ok(told) = plate_recognizer::read(Some(json.to_vec()), |_| ()) {
            assert!(told.seen.len() <= 50);
            told.seen.iter().for_each(seen_holds);
            told.camera.iter().for_each(|c| holds(c, 128));
        }
    }

    /// The webhook: urlencoded.
    pub fn webhook_form(&self, bytes: &[u8]) {
        if let Some(json) = plate_recognizer::form_field(bytes) {
            self.webhook(&json);
        }
    }

    /// The webhook: multipart, with this boundary.
    pub fn webhook_multipart(&self, boundary: &str, bytes: &[u8]) {
        let Ok(of_type) = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}")) else {
            return;
        };
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, of_type)]);
        // All of it is there: nothing waits.
        let parts = plate_recognizer::multipart(&headers, Bytes::copy_from_slice(bytes)).now_or_never();
        if let Some(Ok(hook)) = parts {
            assert!(hook.picture.is_none_or(|p| p.len() <= bytes.len()));
            if let Some(json) = hook.json {
                self.webhook(&json);
            }
        }
    }

    /// Query parameters and the idempotency key.
    pub fn query(&self, query: &str) {
        let mut f = Faults::default();
        let params = Params::of_form(query);
        let limit = params.limit(&mut f);
        assert!((1..=500).contains(&limit));
        for time in ["from", "to"] {
            params.time(&mut f, time);
        }
        params.plate(&mut f, "plate").iter().for_each(|p| holds(p, parking::plate::MAX_CHARS));
        params.flag(&mut f, "all");
        params.opaque(&mut f, "cursor").iter().for_each(|c| assert!(c.bytes().all(|b| b.is_ascii_graphic())));
        if let Ok(value) = HeaderValue::from_str(query) {
            let headers =
                HeaderMap::from_iter([("idempotency-key".parse().unwrap_or(header::COOKIE), value)]);
            idempotency_key(&mut f, &headers);
        }
        drop(f.done());
    }
}
