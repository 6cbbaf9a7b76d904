//! What the server refuses this user. Without listening, a refused question looks like one that nobody answers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

/// Refusals that wait to be heard; whoever asks now hears his own.
const WAITING: usize = 64;
/// Subjects remembered as logged.
const LOGGED: usize = 256;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Denials {
    told: broadcast::Sender<Arc<str>>,
    logged: Arc<Mutex<BTreeSet<String>>>,
}

/// What an error of the server is about: publishing or hearing, and the subject.
fn violation(error: &str) -> Option<(&'static str, &str)> {
    let (what, rest) = match error.split_once("Permissions Violation for ")?.1 {
        rest if rest.starts_with("Publish to ") => ("publish", rest),
        rest if rest.starts_with("Subscription to ") => ("subscribe", rest),
        _ => return None,
    };
    let subject = rest.split('"').nth(1)?;
    Some((what, subject))
}

impl Denials {
    pub(super) fn new() -> Self {
        Self { told: broadcast::channel(WAITING).0, logged: Arc::default() }
    }

    /// Takes an error of the server; false for one that is none of ours. Each subject is logged once.
    pub(super) fn take(&self, error: &str) -> bool {
        let Some((what, subject)) = violation(error) else { return false };
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        // Answers go to a random subject each: their kind is enough.
        let name = if subject.starts_with("_INBOX") { "_INBOX" } else { subject };
        if logged.len() < LOGGED && logged.insert(format!("{what} {name}")) {
            tracing::error!(
                what,
                subject,
                "the bus denies this user a subject: its configuration is not the one of this release"
            );
        }
        if what == "publish" {
            // Nobody may be asking.
            drop(self.told.send(subject.into()));
        }
        true
    }

    /// Ends when a question on a subject is refused from now on.
    pub(super) fn of(&self, subject: &'static str) -> impl Future<Output = ()> + use<> {
        let mut told = self.told.subscribe();
        async move {
            loop {
                match told.recv().await {
                    Ok(denied) if *denied == *subject => return,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_told_from_other_errors() {
        for (error, want) in [
            (
                r#"Permissions Violation for Publish to "pm.ledger.apply""#,
                Some(("publish", "pm.ledger.apply")),
            ),
            (
                r#"Permissions Violation for Subscription to "pm.x" using queue "q""#,
                Some(("subscribe", "pm.x")),
            ),
            ("Stale Connection", None),
            ("Permissions Violation for", None),
        ] {
            assert_eq!(violation(error), want, "{error}");
        }
    }

    #[tokio::test]
    async fn whoever_asks_hears_the_refusal_of_its_own_subject() {
        let denials = Denials::new();
        let (mine, other) = (denials.of("a"), denials.of("b"));
        assert!(denials.take(r#"Permissions Violation for Subscription to "b""#), "listening is not asking");
        assert!(denials.take(r#"Permissions Violation for Publish to "a""#));
        assert!(!denials.take("something else"));
        mine.await;
        let waits = tokio::time::timeout(std::time::Duration::from_millis(10), other).await;
        assert!(waits.is_err(), "not of another's");
        assert_eq!(denials.logged.lock().unwrap().len(), 2);
    }
}
