//! `POST /api/edge/webhooks/plate-recognizer`: Plate Recognizer Stream as it sends.
//!
//! The product posts multipart with a picture (parts `json` and `upload`), urlencoded without one (`json=`), or plain JSON, by its
//! settings. Plates come as text, or in its newer vehicle form as `{"props": {"plate": [{"value", "score"}]}}`.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, header};
use serde::Serialize;
use serde_json::Value;
use wire::bus::command::Seen;
use wire::http::{Detection, Problem};

use super::detection;
use crate::ask::{self, Outcome};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object, per_mille, plate_text};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::{Answer, Refused};
use crate::site::only_way;

/// The picture.
const IMAGE_LIMIT: usize = 8 * 1024 * 1024;
/// Picture, JSON and the parts' headers.
const MULTIPART_LIMIT: usize = IMAGE_LIMIT + JSON_LIMIT + 16 * 1024;
/// JSON with every character escaped.
const FORM_LIMIT: usize = 3 * JSON_LIMIT + 1024;
/// Vehicles in one picture.
const MAX_RESULTS: usize = 50;
/// Other readings kept of one plate.
const MAX_CANDIDATES: usize = 10;

/// What became of a webhook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WebhookAnswer {
    /// The hook's event (`recognition`, …).
    event: String,
    /// The lane; null where the event needs none.
    edge_id: Option<String>,
    /// Reference of the picture, if one came.
    image_ref: Option<String>,
    /// One per result.
    results: Vec<WebhookResult>,
}

/// What became of one result.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct WebhookResult {
    /// The detection.
    #[schema(value_type = Option<Detection>)]
    detection: Option<Box<serde_json::value::RawValue>>,
    /// Or why there is none.
    problem: Option<Problem>,
}

/// A body taken apart.
#[derive(Debug, Default)]
pub(crate) struct Hook {
    pub(crate) json: Option<Vec<u8>>,
    pub(crate) picture: Option<axum::body::Bytes>,
}

/// Plate Recognizer Stream's webhook
///
/// `camera_id` names the lane (`cameras` in the configuration). Each result is a detection. Other hook events are answered 200 and
/// counted. The key is the lane's own, or a person's token.
#[utoipa::path(post, path = "/edge/webhooks/plate-recognizer", tag = "lane",
    request_body(content = Object, description = "The product's own body, `{hook, data}`", content_type = "application/json"),
    responses((status = 200, description = "A detection per result", body = WebhookAnswer), Problems))]
pub(crate) async fn plate_recognizer(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let hook = take_apart(&gw, &caller, &head.headers, body).await?;
    let Told { event, camera, seen } = read(hook.json, |kind| gw.metrics().webhook(kind))?;
    let Some(camera) = camera else {
        return Ok(ask::json(&WebhookAnswer { event, edge_id: None, image_ref: None, results: Vec::new() }));
    };
    let site = gw.site();
    let lane = site.lane_of_camera(&camera);
    if let Some(lane) = lane {
        caller.must_speak_for(&site, lane.id.as_str())?;
    }
    let lane = lane.ok_or_else(|| Refused::new("unknown_camera", "no lane's cameras name this camera_id"))?;
    let image_ref = match &hook.picture {
        Some(p) if !p.is_empty() => Some(gw.images().keep(p).await),
        _ => None,
    };
    let way = only_way(lane.lane_type);
    let mut out = Vec::with_capacity(seen.len());
    for mut seen in seen {
        seen.image_ref.clone_from(&image_ref);
        let request = ask::Request {
            principal: caller.principal(Some(lane.id.as_str())),
            path: detection::PATH,
            idempotency_key: None,
            received_at,
        };
        out.push(match detection::ask_ledger(&gw, request, lane, way, seen).await {
            Outcome::Answered { body, .. } => WebhookResult { detection: Some(body), problem: None },
            Outcome::Refused(r) => WebhookResult { detection: None, problem: Some(r.problem().clone()) },
            // The product repeats what is not answered 2xx: with nothing recorded it should.
            Outcome::NoLedger(why) => return Err(ask::no_ledger(why)),
        });
    }
    Ok(ask::json(&WebhookAnswer { event, edge_id: Some(lane.id.to_string()), image_ref, results: out }))
}

/// What a hook says.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) event: String,
    /// None where the event concerns no vehicle.
    pub(crate) camera: Option<String>,
    pub(crate) seen: Vec<Seen>,
}

/// Reads a hook's JSON; its kind is told as soon as it is known. Errors: 413, 400, 422.
pub(crate) fn read(json: Option<Vec<u8>>, heard: impl FnOnce(&'static str)) -> Result<Told, Refused> {
    let json = json.ok_or_else(|| missing("/json", "the form must have a field json"))?;
    if json.len() > JSON_LIMIT {
        return Err(Refused::new("too_large", "the JSON may hold 64 KiB at most"));
    }
    let value = body::parse(&json)?;
    let all = Object::of(&value)?;
    let mut f = Faults::default();
    let event = match all.object(&mut f, "hook") {
        Some(h) => Object::at(h, "/hook").text(&mut f, "event", 64).unwrap_or_default(),
        None => "recognition".to_owned(),
    };
    let kind = kind_of(&event);
    heard(kind);
    if f.is_empty() && !matches!(kind, "recognition") {
        return Ok(Told { event, camera: None, seen: Vec::new() });
    }
    let data = if all.needed(&mut f, "data") { all.object(&mut f, "data") } else { None };
    let mut camera = String::new();
    let mut seen = Vec::new();
    if let Some(map) = data {
        let data = Object::at(map, "/data");
        camera = data.needed_text(&mut f, "camera_id", 128).unwrap_or_default();
        seen = results(&mut f, &data);
    }
    f.done()?;
    Ok(Told { event, camera: Some(camera), seen })
}

/// The hook's event as a metric may name it: bounded, whatever is sent.
fn kind_of(event: &str) -> &'static str {
    match event {
        "recognition" | "image.done" => "recognition",
        "heartbeat" => "heartbeat",
        "video_file" | "video" => "video",
        "camera_status" | "stream_status" => "status",
        _ => "other",
    }
}

fn missing(field: &str, message: &str) -> Refused {
    let mut f = Faults::default();
    f.add(field, "missing", message);
    f.done().err().unwrap_or_else(|| Refused::new("internal", "a fault was lost"))
}

async fn take_apart(gw: &Gateway, caller: &Caller, headers: &HeaderMap, body: Body) -> Result<Hook, Refused> {
    match body::media_type(headers).as_deref() {
        Some("multipart/form-data") => {
            let _room = gw.uploads().take(caller.principal(None))?;
            let bytes = body::bytes(headers, body, MULTIPART_LIMIT).await?;
            multipart(headers, bytes).await
        }
        Some("application/x-www-form-urlencoded") => {
            let bytes = body::bytes(headers, body, FORM_LIMIT).await?;
            Ok(Hook { json: form_field(&bytes), picture: None })
        }
        _ => {
            let bytes = body::json_bytes(headers, body, JSON_LIMIT).await?;
            Ok(Hook { json: Some(bytes.to_vec()), picture: None })
        }
    }
}

pub(crate) fn form_field(bytes: &[u8]) -> Option<Vec<u8>> {
    let query = std::str::from_utf8(bytes).ok()?;
    Params::of_form(query).all("json").first().map(|v| v.as_bytes().to_vec())
}

pub(crate) async fn multipart(headers: &HeaderMap, bytes: axum::body::Bytes) -> Result<Hook, Refused> {
    let broken = || Refused::new("malformed_multipart", "the parts cannot be told apart");
    let mut request = Request::new(Body::from(bytes));
    if let Some(t) = headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, t.clone());
    }
    // The body is read and bounded already.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
    let mut hook = Hook::default();
    while let Some(part) = parts.next_field().await.map_err(|_| broken())? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| broken())?;
        match name.as_str() {
            "json" => hook.json = Some(bytes.to_vec()),
            "upload" if bytes.len() > IMAGE_LIMIT => {
                return Err(Refused::new("too_large", "the picture may hold 8 MiB at most"));
            }
            "upload" => hook.picture = Some(bytes),
            // The product adds parts over time.
            _ => {}
        }
    }
    Ok(hook)
}

/// When the camera saw it. The product always sends `timestamp` (UTC); a form nobody can read is no reason to lose a passage.
fn captured_at(data: &Object<'_>) -> Option<i64> {
    ["timestamp", "timestamp_local"].into_iter().find_map(|name| {
        let s = data.get(name)?.as_str()?;
        wire::time::parse_rfc3339(s).ok()
    })
}

fn results(f: &mut Faults, data: &Object<'_>) -> Vec<Seen> {
    let captured_at = captured_at(data);
    let mut out = Vec::new();
    if !data.needed(f, "results") {
        return out;
    }
    for (i, v) in data.array(f, "results", MAX_RESULTS).unwrap_or_default().iter().enumerate() {
        let at = data.pointer(&format!("results/{i}"));
        match v.as_object() {
            Some(m) => out.extend(one(f, &Object::at(m, &at), captured_at)),
            None => f.add(at, "wrong_type", "must be an object"),
        }
    }
    out
}

fn one(f: &mut Faults, r: &Object<'_>, captured_at: Option<i64>) -> Option<Seen> {
    let mut readings: Vec<(String, Option<f64>)> = Vec::new();
    let at = r.pointer("plate");
    match r.get("plate") {
        // A vehicle without a readable plate: a no-plate observation.
        None => readings.push((String::new(), None)),
        Some(Value::String(s)) => {
            let score = r.get("score").and_then(Value::as_f64);
            readings.push((plate_text(f, &at, s)?, score));
            for c in r.get("candidates").and_then(Value::as_array).into_iter().flatten() {
                if let Some(s) = c.get("plate").and_then(Value::as_str) {
                    readings.push((s.to_owned(), None));
                }
            }
        }
        Some(Value::Object(m)) => {
            let values = m.get("props").and_then(|p| p.get("plate")).and_then(Value::as_array);
            for v in values.into_iter().flatten() {
                if let Some(s) = v.get("value").and_then(Value::as_str) {
                    readings.push((s.to_owned(), v.get("score").and_then(Value::as_f64)));
                }
            }
            if readings.is_empty() {
                readings.push((String::new(), None));
            }
        }
        Some(_) => {
            f.add(at, "wrong_type", "must be a string or an object");
            return None;
        }
    }
    let mut readings = readings.into_iter();
    let (plate, score) = readings.next()?;
    let plate = plate_text(f, &at, &plate)?;
    let mut candidates: Vec<String> = Vec::new();
    for (c, _) in readings {
        let short = c.chars().count() <= parking::plate::MAX_CHARS;
        if short && c != plate && !candidates.contains(&c) && candidates.len() < MAX_CANDIDATES {
            candidates.push(c.replace('\0', "\u{fffd}"));
        }
    }
    let confidence_pm = score.filter(|s| s.is_finite()).map(per_mille);
    Some(Seen { plate, candidates, confidence_pm, captured_at, ..Seen::default() })
}
