//! Plate Recognizer Stream's webhook, in the three ways the product sends it.

use reqwest::Method;
use serde_json::{Value, json};
use wire::bus::command::Command;
use wire::hash::Hash32;

use crate::harness::{ADMIN, Got, Rig, key, send};
use crate::stand_ins::LedgerMood;

const PATH: &str = "/api/edge/webhooks/plate-recognizer";

/// A body as the product sends it.
fn hook() -> Value {
    json!({
        "hook": {"target": "http://10.0.0.5:8000/api/edge/webhooks/plate-recognizer", "id": "cam-edge-in", "event": "recognition",
                 "filename": "cam-edge-in_screenshots/20-10-09/15-54-37.421000.jpg"},
        "data": {
            "camera_id": "cam-edge-in",
            "filename": "cam-edge-in_screenshots/20-10-09/15-54-37.421000.jpg",
            "timestamp": "2020-10-09T15:54:37.421000Z",
            "timestamp_local": "2020-10-09 22:54:37.421000+07:00",
            "timestamp_camera": null,
            "results": [{
                "box": {"xmin": 153, "ymin": 91, "xmax": 302, "ymax": 125},
                "plate": "29a12345", "region": {"code": "vn", "score": 0.476}, "score": 0.906,
                "candidates": [{"score": 0.906, "plate": "29a12345"}, {"score": 0.7, "plate": "29a12346"}],
                "dscore": 0.641,
                "vehicle": {"score": 0.254, "type": "Sedan", "box": {"xmin": 603, "ymin": 0, "xmax": 1099, "ymax": 174}},
                "model_make": [{"make": "Toyota", "model": "Vios", "score": 0.075}],
                "color": [{"color": "white", "score": 0.889}],
                "orientation": [{"orientation": "Front", "score": 0.943}],
                "direction": 210, "source_url": "rtsp://10.0.0.9/stream", "position_sec": "23.47", "user_data": ""
            }]
        }
    })
}

async fn as_json(rig: &Rig, token: &str, body: &Value) -> Got {
    rig.post_as(token, PATH, body).await
}

fn multipart(json: &str, picture: &[u8]) -> (String, Vec<u8>) {
    let boundary = "0c41a61ab26b4e2f8e8f6b6b7a2a1b11";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{json}\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"upload\"; filename=\"15-54-37.421000.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(picture);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

async fn as_multipart(rig: &Rig, token: &str, json: &str, picture: &[u8]) -> Got {
    let (media, body) = multipart(json, picture);
    send(rig.request(Method::POST, PATH, Some(token)).header("content-type", media).body(body)).await
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn check(rig: &Rig, got: &Got) {
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!((&got.body["event"], &got.body["edge_id"]), (&json!("recognition"), &json!("edge-in")));
    assert_eq!(got.body["results"][0]["detection"]["plate"]["raw"], "29a12345");
    let Command::Detect { lane, seen } = rig.stand_ins.last_command().command else { panic!("a detection") };
    assert_eq!((lane.edge_id.as_str(), seen.plate.as_str()), ("edge-in", "29a12345"));
    assert_eq!((seen.candidates, seen.confidence_pm), (vec!["29a12346".to_owned()], Some(906)));
    assert_eq!((seen.captured_at, seen.sent_at), (Some(1_602_258_877_421), None));
}

#[tokio::test]
async fn the_three_encodings_mean_the_same() {
    let rig = Rig::start().await;
    check(&rig, &as_json(&rig, &key("edge-in"), &hook()).await);

    let form = format!("json={}", escaped(&hook().to_string()));
    let r = rig
        .request(Method::POST, PATH, Some(&key("edge-in")))
        .header("content-type", "application/x-www-form-urlencoded");
    check(&rig, &send(r.body(form)).await);

    let picture = b"\xff\xd8\xff\xe0 a picture \xff\xd9";
    let got = as_multipart(&rig, &key("edge-in"), &hook().to_string(), picture).await;
    check(&rig, &got);
    let hash = Hash32::of(&[picture]).to_string();
    assert_eq!(got.body["image_ref"], format!("sha256:{hash}"));
    let kept = std::fs::read(rig.folder.join("images").join(&hash[..2]).join(&hash)).unwrap();
    assert_eq!(kept, picture);
    let Command::Detect { seen, .. } = rig.stand_ins.last_command().command else { panic!("a detection") };
    assert_eq!(seen.image_ref, Some(format!("sha256:{hash}")));
}

#[tokio::test]
async fn the_newer_vehicle_form_is_read_too() {
    let rig = Rig::start().await;
    let mut h = hook();
    h["data"]["results"] = json!([
        {"plate": {"type": "Plate", "score": 0.9, "box": {}, "props": {"plate": [{"value": "51f97022", "score": 0.88},
            {"value": "51f97023", "score": 0.5}], "region": [{"value": "vn", "score": 0.9}]}}, "vehicle": {"type": "SUV"}},
        {"plate": null, "vehicle": {"type": "Motorcycle"}}
    ]);
    let got = as_json(&rig, ADMIN, &h).await;
    assert_eq!((got.status, got.body["results"].as_array().unwrap().len()), (200, 2));
    let seen: Vec<_> = rig
        .stand_ins
        .commands()
        .into_iter()
        .map(|c| {
            if let Command::Detect { seen, .. } = c.command {
                (seen.plate, seen.candidates)
            } else {
                panic!("a detection")
            }
        })
        .collect();
    assert_eq!(seen, [("51f97022".to_owned(), vec!["51f97023".to_owned()]), (String::new(), vec![])]);
}

#[tokio::test]
async fn other_events_are_taken_and_change_nothing() {
    let rig = Rig::start().await;
    for event in ["heartbeat", "video_file", "whatever"] {
        let body =
            json!({"hook": {"event": event, "id": "cam-edge-in"}, "data": {"camera_id": "cam-edge-in"}});
        let got = as_json(&rig, &key("edge-in"), &body).await;
        assert_eq!((got.status, &got.body["event"], &got.body["results"]), (200, &json!(event), &json!([])));
    }
    assert!(rig.stand_ins.commands().is_empty());
}

#[tokio::test]
async fn wrong_webhooks() {
    let rig = Rig::start().await;
    let got = as_json(&rig, &key("edge-out"), &hook()).await;
    assert_eq!((got.status, got.code()), (403, "edge_mismatch"));
    let mut h = hook();
    h["data"]["camera_id"] = "cam-nowhere".into();
    let got = as_json(&rig, ADMIN, &h).await;
    assert_eq!((got.status, got.code()), (404, "unknown_camera"));
    let got = as_json(&rig, ADMIN, &json!({"hook": {"event": "recognition"}})).await;
    assert_eq!((got.status, got.faults()), (422, vec!["/data missing".to_owned()]));
    let got = as_json(&rig, ADMIN, &json!({"data": {"camera_id": 5, "results": [{"plate": 7}]}})).await;
    assert_eq!(got.faults(), ["/data/camera_id wrong_type", "/data/results/0/plate wrong_type"]);

    let got = as_multipart(&rig, ADMIN, &hook().to_string(), &vec![7; 8 * 1024 * 1024 + 1]).await;
    assert_eq!((got.status, got.code()), (413, "too_large"));
    assert_eq!(as_multipart(&rig, ADMIN, &hook().to_string(), &vec![7; 8 * 1024 * 1024]).await.status, 200);
    let got = as_multipart(&rig, ADMIN, "{", b"x").await;
    assert_eq!((got.status, got.code()), (400, "malformed_json"));
    let r = rig
        .request(Method::POST, PATH, Some(ADMIN))
        .header("content-type", "multipart/form-data; boundary=x");
    let got = send(r.body("nothing of the kind")).await;
    assert_eq!((got.status, got.code()), (400, "malformed_multipart"));
    let r = rig
        .request(Method::POST, PATH, Some(ADMIN))
        .header("content-type", "application/x-www-form-urlencoded");
    let got = send(r.body("other=1")).await;
    assert_eq!((got.status, got.faults()), (422, vec!["/json missing".to_owned()]));
    let r = rig.request(Method::POST, PATH, Some(ADMIN)).header("content-type", "text/plain");
    assert_eq!(send(r.body("x")).await.status, 415);
    rig.stand_ins.mood(LedgerMood::Unavailable);
    assert_eq!(as_json(&rig, ADMIN, &hook()).await.code(), "no_ledger");
}
