//! The answer a question must get.

use serde_json::Value;
use wire::bus::command::CommandReply;

/// An answer heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    pub(super) body: String,
    /// The session it is about.
    pub(super) event_id: Option<String>,
    /// It recorded something.
    pub(super) recorded: bool,
    /// When what was asked about happened, ms since the epoch.
    pub(super) at: i64,
}

/// See the module. What is not said may be anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Want {
    /// Fields of the body, by path, as JSON has them.
    fields: Vec<(&'static str, Value)>,
    /// Refused with this code.
    refused: Option<&'static str>,
    /// The same session as that of an earlier answer.
    session: Option<usize>,
    /// Among the candidates is the session of an earlier answer.
    candidate: Option<usize>,
    /// Byte for byte an earlier answer.
    again: Option<usize>,
    /// A replay.
    replayed: bool,
    /// Something is recorded for it.
    records: bool,
}

impl Want {
    fn field(mut self, path: &'static str, value: impl Into<Value>) -> Self {
        self.fields.retain(|(p, _)| *p != path);
        self.fields.push((path, value.into()));
        self
    }

    /// The barrier opens, and a passage is recorded.
    pub(super) fn opens(kind: &'static str) -> Self {
        let none: Vec<Value> = Vec::new();
        let want = Self { records: true, ..Self::default() };
        want.field("decision", "open")
            .field("barrier", "open")
            .field("reason", "ok")
            .field("kind", kind)
            .field("recorded", true)
            .field("degraded", none.clone())
            .field("candidates", none)
    }

    /// A person must decide; nothing is recorded.
    pub(super) fn asks(reason: &'static str) -> Self {
        let none: Vec<Value> = Vec::new();
        Self::default()
            .field("decision", "ask_staff")
            .field("barrier", "keep_closed")
            .field("reason", reason)
            .field("kind", "NONE")
            .field("recorded", false)
            .field("degraded", none)
    }

    /// Kept out; nothing is recorded.
    pub(super) fn denied(reason: &'static str) -> Self {
        Self::asks(reason).field("decision", "deny")
    }

    /// The same passage again: nothing new is recorded.
    pub(super) fn duplicate(decision: &'static str, barrier: &'static str, reason: &'static str) -> Self {
        Self::default()
            .field("decision", decision)
            .field("barrier", barrier)
            .field("reason", reason)
            .field("kind", "DUPLICATE")
    }

    /// Refused.
    pub(super) fn refused(code: &'static str) -> Self {
        Self { refused: Some(code), ..Self::default() }
    }

    /// The very answer that an earlier question got.
    pub(super) fn again(step: usize) -> Self {
        Self { again: Some(step), replayed: true, ..Self::default() }
    }

    /// The barrier closed.
    pub(super) fn closed(kind: &'static str) -> Self {
        Self { records: true, ..Self::default() }.field("kind", kind)
    }

    /// A suggestion.
    pub(super) fn suggests(decision: &'static str, reason: &'static str) -> Self {
        Self::default().field("suggestion.decision", decision).field("suggestion.reason", reason)
    }

    /// What a person did stands.
    pub(super) fn acted() -> Self {
        Self { records: true, ..Self::default() }
    }

    /// A delivery so late that no barrier opens for it.
    pub(super) fn late(self) -> Self {
        self.field("barrier", "keep_closed").field("reason", "late_delivery")
    }

    pub(super) fn replayed(mut self) -> Self {
        self.replayed = true;
        self.records = false;
        self
    }

    pub(super) fn reason(self, reason: &'static str) -> Self {
        self.field("reason", reason)
    }

    pub(super) fn fee(self, fee: i64) -> Self {
        self.field("fee", fee)
    }

    pub(super) fn quote(self, fee: i64) -> Self {
        self.field("quote.fee", fee)
    }

    pub(super) fn no_fee(self) -> Self {
        self.field("fee", Value::Null)
    }

    /// The session's status, and how this central came by it.
    pub(super) fn status(self, status: &'static str, sync: &'static str) -> Self {
        self.field("session.status", status).field("session.sync_status", sync)
    }

    /// A field of the session.
    pub(super) fn of_session(self, path: &'static str, value: impl Into<Value>) -> Self {
        self.field(path, value)
    }

    pub(super) fn session(mut self, step: usize) -> Self {
        self.session = Some(step);
        self
    }

    pub(super) fn candidate(mut self, step: usize) -> Self {
        self.candidate = Some(step);
        self.fields.retain(|(p, _)| *p != "candidates");
        self
    }

    /// Compares. Errors: what differs.
    pub(super) fn compare(
        &self,
        reply: &CommandReply,
        heard: &[Heard],
        central: &str,
    ) -> Result<Heard, String> {
        let body = match (reply, self.refused) {
            (CommandReply::Refused(p), Some(code)) if p.code == code => return Ok(Heard::default()),
            (CommandReply::Answer { status: 200, replayed, body }, None) if *replayed == self.replayed => {
                body.get()
            }
            _ => return Err(format!("wanted {self:?}")),
        };
        let value: Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
        for (path, want) in &self.fields {
            let is = path.split('.').fold(&value, |v, name| &v[name]);
            if is != want {
                return Err(format!("{path} is {is}, must be {want} (at {central})"));
            }
        }
        let event_id = value["event_id"].as_str().map(str::to_owned);
        if let Some(first) = self.again.and_then(|s| heard.get(s))
            && first.body != body
        {
            return Err(format!("the first answer was {}", first.body));
        }
        if let Some(first) = self.session.and_then(|s| heard.get(s))
            && first.event_id != event_id
        {
            return Err(format!("it is about {event_id:?}, must be about {:?}", first.event_id));
        }
        if let Some(first) = self.candidate.and_then(|s| heard.get(s)) {
            let all = value["candidates"].as_array().map_or(&[][..], Vec::as_slice);
            if !all.iter().any(|c| c["event_id"].as_str().map(str::to_owned) == first.event_id) {
                return Err(format!("{:?} is not among the candidates", first.event_id));
            }
        }
        Ok(Heard { body: body.to_owned(), event_id, recorded: self.records, at: 0 })
    }
}
