//! How much one principal may have at work at once. What is more waits for a moment, and what is more than that is told to come again:
//! one that floods waits behind its own, and the others do not notice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kit::HttpLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Seat;
use crate::body;
use crate::caller::Caller;
use crate::endpoints::edge::barrier_open;
use crate::gateway::Gateway;

/// So many times as many as are at work may wait.
const WAITING: usize = 3;
/// And so long.
const PATIENCE: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(crate) struct Turns {
    most: usize,
    each: usize,
    patience: Duration,
    inside: Arc<AtomicUsize>,
    /// Known principals only: as many as there are keys.
    of: Mutex<HashMap<String, Arc<Share>>>,
}

#[derive(Debug)]
struct Share {
    inside: AtomicUsize,
    at_work: Arc<Semaphore>,
}

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Turn {
    all: Arc<AtomicUsize>,
    share: Arc<Share>,
    _at_work: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Relaxed);
        self.share.inside.fetch_sub(1, Relaxed);
    }
}

impl Turns {
    /// Nobody inside.
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        Self {
            most: limits.requests,
            each: limits.requests_per_principal,
            patience: PATIENCE,
            inside: Arc::default(),
            of: Mutex::default(),
        }
    }

    fn share(&self, principal: &str) -> Arc<Share> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = of.get(principal) {
            return share.clone();
        }
        let share =
            Arc::new(Share { inside: AtomicUsize::new(0), at_work: Arc::new(Semaphore::new(self.each)) });
        of.insert(principal.to_owned(), share.clone());
        share
    }

    /// Waits for a turn, at most a moment. Errors: why not.
    async fn take(&self, principal: &str) -> Result<Turn, &'static str> {
        let share = self.share(principal);
        let mut turn = Turn { all: self.inside.clone(), share: share.clone(), _at_work: None };
        // Both are counted before either is looked at: the turn gives both back.
        let (all, own) = (self.inside.fetch_add(1, Relaxed), share.inside.fetch_add(1, Relaxed));
        if own >= self.each.saturating_mul(1 + WAITING) {
            return Err("too many requests of this key at once");
        }
        if all >= self.most {
            return Err("too many requests at once");
        }
        let at_work = share.at_work.clone();
        turn._at_work = match at_work.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => tokio::time::timeout(self.patience, at_work.acquire_owned())
                .await
                .map_err(|_| "too many requests of this key at once")?
                .ok(),
        };
        Ok(turn)
    }
}

/// Lets a caller's request on when it is its turn.
pub(crate) async fn share(State(gw): State<Gateway>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else { return next.run(request).await };
    if let Some(seat) = request.extensions().get::<Arc<Seat>>() {
        seat.is_known();
    }
    match gw.turns().take(caller.principal(None)).await {
        Ok(_turn) => next.run(request).await,
        Err(why) => {
            gw.metrics().refused("busy");
            let refused = barrier_open::busy(&gw, caller, request.uri().path(), why);
            body::discard(request).await;
            refused.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(most: usize, each: usize, patience: Duration) -> Turns {
        let settings = kit::Settings::read(kit::Role::EdgeGateway, &|_| None).unwrap();
        let limits = HttpLimits { requests: most, requests_per_principal: each, ..settings.http };
        Turns { patience, ..Turns::new(&limits) }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn one_that_floods_waits_and_is_refused_and_the_others_go_on() {
        let t = Arc::new(turns(100, 2, LONG));
        let at_work = (t.take("noisy").await.unwrap(), t.take("noisy").await.unwrap());
        let waiting: Vec<_> = (0..6)
            .map(|_| {
                let t = t.clone();
                tokio::spawn(async move { t.take("noisy").await })
            })
            .collect();
        tokio::task::yield_now().await;
        let begun = tokio::time::Instant::now();
        assert!(t.take("noisy").await.is_err(), "told at once");
        assert!(t.take("quiet").await.is_ok());
        assert!(begun.elapsed() < LONG / 2);
        drop(at_work.0);
        let mut served = 0;
        for w in waiting {
            served += usize::from(w.await.unwrap().is_ok());
        }
        assert_eq!(served, 6, "each of them when the one before has gone");
        drop(at_work.1);
        assert_eq!(t.inside.load(Relaxed), 0);
        assert!(t.take("noisy").await.is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_a_moment() {
        let t = turns(100, 1, PATIENCE);
        let _held = t.take("slow").await.unwrap();
        let begun = tokio::time::Instant::now();
        assert!(t.take("slow").await.is_err());
        assert!(begun.elapsed() >= PATIENCE);
    }

    #[tokio::test]
    async fn all_together_are_bounded() {
        let t = turns(2, 2, LONG);
        let held = (t.take("a").await.unwrap(), t.take("b").await.unwrap());
        assert!(t.take("c").await.is_err());
        drop(held);
        assert!(t.take("c").await.is_ok());
    }
}
