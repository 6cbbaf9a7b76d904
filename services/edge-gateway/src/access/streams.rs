//! A stream ends when the key it was opened with does: revoked, expired or taken out of the configuration.

use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use futures_util::StreamExt;

use crate::caller::Pass;
use crate::gateway::Gateway;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(400);

/// Bounds a stream of events by the pass that opened it; other answers are left alone.
pub(crate) fn bound(gw: &Gateway, pass: Pass, response: Response) -> Response {
    let streams = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
    if !streams {
        return response;
    }
    let gw = gw.clone();
    let ended = async move {
        while pass.recognise(&gw).is_some() {
            tokio::time::sleep(LOOK).await;
        }
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(ended))))
}
