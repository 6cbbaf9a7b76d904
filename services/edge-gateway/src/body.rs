//! Reading bodies: bounded in size and time, in the order of checks the contract gives (413, 415, 400).

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use futures_util::StreamExt;
use serde_json::Value;

use crate::problem::Refused;

/// JSON bodies.
pub(crate) const JSON_LIMIT: usize = 64 * 1024;
/// How long a body may take to arrive.
const READ: Duration = Duration::from_secs(10);
/// What is read and thrown away before a refusal: a client that is still sending would lose the answer to a closed socket.
const DISCARD: usize = 16 * 1024 * 1024;
/// How long throwing away may take.
const DISCARD_TIME: Duration = Duration::from_secs(3);

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads what the client is still sending, as far as that is reasonable.
pub(crate) async fn discard(request: Request) {
    // A client that waits for `100 Continue` has sent nothing and will not.
    if !request.headers().contains_key(header::EXPECT) {
        discard_stream(&mut request.into_body().into_data_stream(), 0).await;
    }
}

async fn discard_stream(stream: &mut axum::body::BodyDataStream, had: usize) {
    let all = async {
        let mut had = had;
        while let Some(Ok(chunk)) = stream.next().await {
            had += chunk.len();
            if had > DISCARD {
                break;
            }
        }
    };
    drop(tokio::time::timeout(DISCARD_TIME, all).await);
}

fn too_large(limit: usize) -> Refused {
    Refused::new("too_large", format!("the body may hold {} KiB at most", limit / 1024))
}

/// Reads a body of at most `limit` bytes. Errors: 413, 408, 400 when it breaks off.
pub(crate) async fn bytes(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refused> {
    let mut stream = body.into_data_stream();
    if declared(headers).is_some_and(|n| n > limit as u64) {
        if !headers.contains_key(header::EXPECT) {
            discard_stream(&mut stream, 0).await;
        }
        return Err(too_large(limit));
    }
    let read = async {
        let mut first = Bytes::new();
        let mut all: Vec<u8> = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Refused::new("malformed_body", "the body broke off"))?;
            let had = first.len() + all.len();
            if had + chunk.len() > limit {
                discard_stream(&mut stream, had + chunk.len()).await;
                return Err(too_large(limit));
            }
            // Nearly every body is one chunk: no copy then.
            if had == 0 {
                first = chunk;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&first);
                    first = Bytes::new();
                }
                all.extend_from_slice(&chunk);
            }
        }
        Ok(if all.is_empty() { first } else { all.into() })
    };
    tokio::time::timeout(READ, read).await.unwrap_or_else(|_| {
        Err(Refused::new("request_timeout", "the body did not arrive within 10 s")
            .with_header(header::CONNECTION, HeaderValue::from_static("close")))
    })
}

/// The media type of a request, without parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Reads a JSON body. Errors: 413, 408, 415, 400 `malformed_json`.
pub(crate) async fn json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Value, Refused> {
    parse(&json_bytes(headers, body, limit).await?)
}

/// The same where a body may be left out: nothing is an empty object.
pub(crate) async fn json_or_nothing(headers: &HeaderMap, body: Body, limit: usize) -> Result<Value, Refused> {
    let bytes = bytes(headers, body, limit).await?;
    if bytes.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    of_type_json(headers)?;
    parse(&bytes)
}

fn of_type_json(headers: &HeaderMap) -> Result<(), Refused> {
    if media_type(headers).is_some_and(|t| is_json(&t)) {
        return Ok(());
    }
    Err(Refused::new("unsupported_media_type", "send Content-Type: application/json"))
}

/// The same, unread: for bodies with a reader of their own.
pub(crate) async fn json_bytes(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refused> {
    let bytes = bytes(headers, body, limit).await?;
    of_type_json(headers)?;
    Ok(bytes)
}

/// Parses JSON. Errors: 400 `malformed_json`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(bytes).map_err(|e| {
        // Only the place: the message itself may quote what was sent.
        let detail = if bytes.is_empty() {
            "the body is empty".to_owned()
        } else {
            format!("reading stopped at line {}, column {}", e.line(), e.column())
        };
        Refused::new("malformed_json", detail)
    })
}
