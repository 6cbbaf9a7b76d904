//! A link that swallows what is sent to it. Heartbeats notice that after three intervals; with traffic it shows sooner, because
//! a live peer says something back.

/// After something was sent, so long may pass before we ask, ms.
const ASK_AFTER_MS: u64 = 5_000;
/// And so long for an answer of any kind, ms.
const ANSWER_WITHIN_MS: u64 = 5_000;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Send a beat out of turn.
    Ask,
    /// Close.
    Dead,
}

/// What was sent and heard on one link, ms of a monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Liveness {
    unanswered_since: Option<u64>,
    asked_at: Option<u64>,
}

impl Liveness {
    /// Something was handed to the link.
    pub fn sent(&mut self, now_ms: u64) {
        self.unanswered_since.get_or_insert(now_ms);
    }

    /// Something came: whatever it was, the peer lives.
    pub fn heard(&mut self) {
        *self = Self::default();
    }

    /// Looks at the link; to be called about every second.
    pub fn look(&mut self, now_ms: u64) -> Verdict {
        let past = |since: Option<u64>, limit| since.is_some_and(|s| now_ms.saturating_sub(s) >= limit);
        if past(self.asked_at, ANSWER_WITHIN_MS) {
            Verdict::Dead
        } else if self.asked_at.is_none() && past(self.unanswered_since, ASK_AFTER_MS) {
            self.asked_at = Some(now_ms);
            Verdict::Ask
        } else {
            Verdict::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_after_sending_is_asked_about_then_condemned() {
        let mut l = Liveness::default();
        assert_eq!(l.look(1_000_000), Verdict::Fine, "an idle link is never asked");
        l.sent(0);
        l.sent(4_000);
        let seen: Vec<_> = [1_000, 4_999, 5_000, 6_000, 9_999, 10_000].map(|t| l.look(t)).into();
        use Verdict::{Ask, Dead, Fine};
        assert_eq!(seen, [Fine, Fine, Ask, Fine, Fine, Dead]);
    }

    #[test]
    fn any_word_of_the_peer_clears_it() {
        let mut l = Liveness::default();
        l.sent(0);
        assert_eq!(l.look(5_000), Verdict::Ask);
        l.heard();
        assert_eq!(l.look(60_000), Verdict::Fine);
    }
}
