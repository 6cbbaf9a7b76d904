//! Errors as callers see them: `application/problem+json`, with codes that never change their meaning.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::http::{BarrierWish, FieldError, LaneDecision, Problem};

use crate::codes;

/// A refusal on its way out: the problem, and headers some statuses need.
#[derive(Debug, Clone)]
pub(crate) struct Refused(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    problem: Problem,
    header: Option<(HeaderName, HeaderValue)>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(Inner { problem, header: None }))
    }
}

impl Refused {
    /// A problem of a known code; status and title come from the table.
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        let c = codes::find(code);
        Problem::new(c.status, c.code, c.title, detail).into()
    }

    /// The same with `Retry-After`.
    pub(crate) fn retry(code: &'static str, after_s: u32, detail: impl Into<String>) -> Self {
        let mut r = Self::new(code, detail);
        r.0.problem.retry_after_s = Some(after_s);
        r
    }

    /// 422 with everything that is wrong; a single fault with a code of its own lends it to the problem.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let own = match errors.as_slice() {
            [only] if codes::is_own_problem(&only.code) => Some(codes::find(&only.code)),
            _ => None,
        };
        let mut p = Problem::invalid(errors);
        if let Some(c) = own {
            p.kind = format!("/docs/errors#{}", c.code);
            c.title.clone_into(&mut p.title);
            c.code.clone_into(&mut p.code);
        }
        p.into()
    }

    /// Adds the header a status needs (`Allow`, `WWW-Authenticate`).
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// The problem itself.
    pub(crate) fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// What the lane does all the same, where that was said.
    pub(crate) fn decided(&self) -> Option<(LaneDecision, BarrierWish)> {
        self.0.problem.decision.zip(self.0.problem.barrier)
    }

    /// The problem itself, to change it.
    pub(crate) fn problem_mut(&mut self) -> &mut Problem {
        &mut self.0.problem
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Inner { problem, header } = *self.0;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = Code(problem.code.clone());
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut r = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        r.extensions_mut().insert(code);
        if let Some((name, value)) = header {
            r.headers_mut().insert(name, value);
        }
        if matches!(problem.status, 429 | 503) {
            let after = problem.retry_after_s.unwrap_or(1).max(1);
            r.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        r
    }
}

/// The code of a problem, left in its response for whoever counts or records it.
#[derive(Debug, Clone)]
pub(crate) struct Code(pub(crate) String);

/// What handlers answer.
pub(crate) type Answer = Result<Response, Refused>;
