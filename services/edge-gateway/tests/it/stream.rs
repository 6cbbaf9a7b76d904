//! The stream: live, resumed, reset.

use std::time::Duration;

use reqwest::Method;

use crate::harness::{ADMIN, Rig, send};

/// One open stream; collects what comes.
struct Open {
    response: reqwest::Response,
    text: String,
}

impl Open {
    async fn at(rig: &Rig, last: Option<&str>) -> Self {
        let mut r = rig.request(Method::GET, "/api/parking/stream", Some(ADMIN));
        if let Some(l) = last {
            r = r.header("last-event-id", l);
        }
        let response = r.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    async fn until(&mut self, wanted: &str) {
        let read = async {
            while !self.text.contains(wanted) {
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        let text = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert!(text.is_ok(), "{wanted:?} did not come: {:?}", self.text);
    }

    fn ids(&self) -> Vec<&str> {
        self.text.lines().filter_map(|l| l.strip_prefix("id: ")).collect()
    }
}

#[tokio::test]
async fn events_come_live_even_when_the_call_is_lost() {
    let rig = Rig::start().await;
    rig.stand_ins.store("OLD", false).await;
    let mut s = Open::at(&rig, None).await;
    s.until("id: p1").await;
    rig.stand_ins.store("VEHICLE_ENTRY_PENDING", true).await;
    s.until("event: VEHICLE_ENTRY_PENDING").await;
    rig.stand_ins.store("VEHICLE_EXIT", false).await;
    s.until("event: VEHICLE_EXIT").await;
    s.until("\"id\":\"p3\"").await;
    assert_eq!(s.ids(), ["p1", "p2", "p3"]);
    assert!(!s.text.contains("OLD"), "a new reader starts now");
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was() {
    let rig = Rig::start().await;
    for _ in 0..1200 {
        rig.stand_ins.store("VEHICLE_EXIT", false).await;
    }
    let mut s = Open::at(&rig, Some("p10")).await;
    s.until("id: p1200\n").await;
    let events = s.text.matches("event: VEHICLE_EXIT").count();
    assert_eq!(events, 1190, "every one, once");
}

#[tokio::test]
async fn a_position_of_another_log_resets() {
    let rig = Rig::start().await;
    rig.stand_ins.store("OLD", false).await;
    let mut s = Open::at(&rig, Some("elsewhere-77")).await;
    s.until("event: reset").await;
    rig.stand_ins.store("VEHICLE_EXIT", true).await;
    s.until("event: VEHICLE_EXIT").await;
    let r = rig.request(Method::GET, "/api/parking/stream", Some(ADMIN)).header("last-event-id", "a b");
    assert_eq!(send(r).await.faults(), ["/Last-Event-ID bad_characters"]);
}

#[tokio::test]
async fn there_is_room_for_so_many_readers() {
    let rig = Rig::start().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Open::at(&rig, None).await);
    }
    let got = rig.get("/api/parking/stream").await;
    assert_eq!((got.status, got.code()), (503, "busy"));
    drop(open);
    crate::harness::until("readers that left make room", async || {
        rig.request(Method::GET, "/api/parking/stream", Some(ADMIN)).send().await.unwrap().status() == 200
    })
    .await;
}
