//! How it stands with the external API, document by document.

use std::time::Duration;

use kit::ExternalApi;
use tokio::time::Instant;
use wire::bus::reference::{SourceError, SourceNow};
use wire::http::FieldError;
use wire::reference::DocumentKind;

/// So many intervals without an answer, and what is here counts as stale.
const STALE_AFTER: u32 = 3;

#[derive(Debug)]
struct Source {
    now: SourceNow,
    answered: Option<Instant>,
    /// The last answer that was good: it was taken, nothing has changed, or there is no such document.
    good: Instant,
}

/// A document without a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) kind: DocumentKind,
    /// Why; none while nothing has gone wrong.
    pub(crate) reason: Option<String>,
    /// For so long.
    pub(crate) since: Duration,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sources {
    all: Vec<Source>,
    stale_after: Duration,
    started: Instant,
}

impl Sources {
    pub(super) fn new(api: Option<&ExternalApi>) -> Self {
        let source = |kind| Source {
            now: SourceNow { kind, checked_at: None, answered_at: None, published: None, error: None },
            answered: None,
            good: Instant::now(),
        };
        Self {
            all: api.into_iter().flat_map(|_| DocumentKind::ALL).map(source).collect(),
            stale_after: api.map_or(Duration::MAX, |a| a.interval.saturating_mul(STALE_AFTER)),
            started: Instant::now(),
        }
    }

    pub(super) fn is_configured(&self) -> bool {
        !self.all.is_empty()
    }

    /// A document has not been answered for so long, or never though it was asked for.
    pub(super) fn is_stale(&self) -> bool {
        self.all.iter().any(|s| match s.answered {
            Some(at) => at.elapsed() > self.stale_after,
            None => s.now.error.is_some() || self.started.elapsed() > self.stale_after,
        })
    }

    /// How long each document has been without a good answer.
    pub(super) fn silent(&self) -> Vec<Silent> {
        let silent = |s: &Source| Silent {
            kind: s.now.kind,
            reason: s.now.error.as_ref().map(|e| e.reason.clone()),
            since: s.good.elapsed(),
        };
        self.all.iter().map(silent).collect()
    }

    pub(super) fn now(&self) -> Vec<SourceNow> {
        self.all.iter().map(|s| s.now.clone()).collect()
    }

    fn change(&mut self, kind: DocumentKind, change: impl FnOnce(&mut Source)) {
        if let Some(s) = self.all.iter_mut().find(|s| s.now.kind == kind) {
            s.now.checked_at = Some(kit::clock::now_ms());
            change(s);
        }
    }

    fn answered(&mut self, kind: DocumentKind, change: impl FnOnce(&mut SourceNow)) {
        self.change(kind, |s| {
            s.answered = Some(Instant::now());
            s.now.answered_at = s.now.checked_at;
            change(&mut s.now);
            if s.now.error.is_none() {
                s.good = Instant::now();
            }
        });
    }

    /// Nothing has changed since: what was wrong with the document still is.
    pub(super) fn unchanged(&mut self, kind: DocumentKind) {
        self.answered(kind, |now| {
            if now.error.as_ref().is_some_and(|e| e.errors.is_empty()) {
                now.error = None;
            }
        });
    }

    /// The external API has no such document.
    pub(super) fn not_published(&mut self, kind: DocumentKind) {
        self.answered(kind, |now| {
            now.published = Some(false);
            now.error = None;
        });
    }

    /// The document is in force.
    pub(super) fn taken(&mut self, kind: DocumentKind) {
        self.answered(kind, |now| {
            now.published = Some(true);
            now.error = None;
        });
    }

    /// The document is bad.
    pub(super) fn refused(&mut self, kind: DocumentKind, reason: String, errors: Vec<FieldError>) {
        self.answered(kind, |now| {
            now.published = Some(true);
            now.error = Some(SourceError { at: kit::clock::now_ms(), reason, errors });
        });
    }

    /// No answer, or none that is one. True where the reason is another than before: it is said once.
    pub(super) fn failed(&mut self, kind: DocumentKind, reason: &str) -> bool {
        let mut new = false;
        self.change(kind, |s| {
            new = s.now.error.as_ref().is_none_or(|e| e.reason != reason);
            let error =
                SourceError { at: kit::clock::now_ms(), reason: reason.to_owned(), errors: Vec::new() };
            s.now.error = Some(error);
        });
        new
    }
}
