//! Lanes that people tell something, over real processes: what goes out, what does not come twice, and a fire.

use std::time::Duration;

use lab::process::Signal;
use lab::topology::Service;
use lab::{Lab, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{central, lab};

const PATIENCE: Duration = Duration::from_secs(20);

/// A lane's stream of commands.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(lab: &Lab, edge: &str) -> Self {
        let path = format!("/api/edge/commands?edge_id={edge}");
        let open = async || {
            // The shared client gives up after a while; a stream goes on.
            let request = lab.lane(central(1), edge).request(Method::GET, &path).timeout(PATIENCE * 6);
            let response = request.send().await?;
            anyhow::ensure!(response.status().is_success(), "{}", response.status());
            Ok(response)
        };
        Self { response: until(PATIENCE, open).await.unwrap(), text: String::new() }
    }

    /// The next command, taken off the stream.
    async fn next(&mut self) -> Value {
        let read = async {
            loop {
                if let Some((before, after)) = self.text.split_once("\n\n") {
                    let data = before.lines().find_map(|l| l.strip_prefix("data: ")).map(str::to_owned);
                    self.text = after.to_owned();
                    match data {
                        Some(data) => return serde_json::from_str(&data).unwrap(),
                        None => continue,
                    }
                }
                let chunk = self.response.chunk().await.unwrap().unwrap();
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap()
    }
}

async fn tell(lab: &Lab, edge: &str, command: &str) -> String {
    let body = json!({"command": command, "expires_in_s": 60, "staff_id": "anna", "reason": "lost ticket"});
    let path = format!("/api/edges/{edge}/commands");
    let told = lab.admin(central(1)).post(&path, None, &body).await.unwrap().ok().unwrap();
    assert_eq!((&told["state"], &told["staff_id"]), (&json!("waiting"), &json!("anna")));
    told["command_id"].as_str().unwrap().to_owned()
}

async fn acknowledge(lab: &Lab, edge: &str, id: &str) -> Value {
    let path = format!("/api/edge/commands/{id}/ack");
    lab.lane(central(1), edge).post(&path, None, &json!({})).await.unwrap().ok().unwrap()
}

async fn unresolved(lab: &Lab, at: u16) -> Vec<Value> {
    let list = lab.admin(central(at)).get("/api/parking/unresolved").await.unwrap().ok().unwrap();
    list["items"].as_array().unwrap().clone()
}

async fn set_mode(lab: &Lab, mode: &str) {
    let body = json!({"mode": mode, "staff_id": "anna", "reason": "smoke on level 2"});
    lab.admin(central(1)).post("/api/edges/modes", None, &body).await.unwrap().ok().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_reaches_the_lane_once_though_its_gateway_and_ledger_are_killed() {
    let lab = lab("commands", 2).await;
    let edge = central(1).edges()[2].id();
    let mut stream = Stream::open(&lab, &edge).await;
    let first = tell(&lab, &edge, "open").await;
    let came = stream.next().await;
    assert_eq!((&came["command_id"], &came["command"]), (&json!(first), &json!("open")));
    assert_eq!(acknowledge(&lab, &edge, &first).await["state"], "done");
    // Another key is for another lane.
    let other = lab.lane(central(1), &central(1).edges()[3].id());
    let stranger = other.get(&format!("/api/edge/commands?edge_id={edge}")).await.unwrap();
    assert_eq!((stranger.status.as_u16(), &stranger.body["code"]), (403, &json!("edge_mismatch")));

    // It went out, and before the lane says a word everything breaks.
    let second = tell(&lab, &edge, "open").await;
    assert_eq!(stream.next().await["command_id"], json!(second));
    for service in [Service::EdgeGateway, Service::Ledger] {
        lab.kill((central(1), service), &Signal::kill()).await.unwrap();
        lab.start_target((central(1), service)).await.unwrap();
    }
    let mut again = Stream::open(&lab, &edge).await;
    let third = tell(&lab, &edge, "close").await;
    assert_eq!(again.next().await["command_id"], json!(third), "the open does not come again");

    // A close does, until the lane says that it is done.
    drop(again);
    let mut again = Stream::open(&lab, &edge).await;
    assert_eq!(again.next().await["command_id"], json!(third));
    acknowledge(&lab, &edge, &third).await;

    // Both opens were for nobody: every central asks what they were, any may say.
    until(PATIENCE, async || {
        let found = unresolved(&lab, 2).await;
        if found.len() == 2 { Ok(()) } else { Err(found) }
    })
    .await
    .unwrap();
    let resolve = json!({"action": "dismiss", "staff_id": "bob", "reason": "a test of the barrier"});
    for id in [&first, &second] {
        let path = format!("/api/parking/unresolved/{id}");
        lab.admin(central(2)).post(&path, None, &resolve).await.unwrap().ok().unwrap();
    }
    until(PATIENCE, async || {
        let found = unresolved(&lab, 1).await;
        if found.is_empty() { Ok(()) } else { Err(found) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_fire_everything_opens_and_nothing_is_charged_with_the_ledger_or_without() {
    let lab = lab("emergency", 2).await;
    let edges: Vec<String> = central(1).edges().iter().map(|e| e.id()).collect();
    let mut stream = Stream::open(&lab, &edges[2]).await;
    set_mode(&lab, "emergency").await;
    assert_eq!(stream.next().await["command"], "hold_open");
    let open = async |edge: &str, plate: &str| {
        let body = json!({"edge_id": edge, "plate": plate});
        lab.lane(central(1), edge).post("/api/edge/barrier/open", None, &body).await.unwrap()
    };
    let entered = open(&edges[0], "29A-123.45").await.ok().unwrap();
    let left = open(&edges[2], "29A-123.45").await.ok().unwrap();
    assert_eq!((&left["barrier"], &left["fee"]), (&json!("open"), &json!(0)));
    assert_eq!(left["event_id"], entered["event_id"]);
    let stranger = open(&edges[3], "51F-970.22").await.ok().unwrap();
    assert_eq!((&stranger["barrier"], &stranger["fee"]), (&json!("open"), &json!(0)));
    until(PATIENCE, async || {
        let page = lab.admin(central(2)).get("/api/parking/history?flag=emergency").await?.ok()?;
        anyhow::ensure!(page["items"].as_array().is_some_and(|i| i.len() == 2), "{page}");
        Ok(())
    })
    .await
    .unwrap();

    lab.kill((central(1), Service::Ledger), &Signal::kill()).await.unwrap();
    let alone = open(&edges[2], "30A-999.99").await;
    assert_eq!((alone.status.as_u16(), &alone.body["code"]), (503, &json!("no_ledger")));
    assert_eq!((&alone.body["decision"], &alone.body["barrier"]), (&json!("open"), &json!("open")));
    lab.start_target((central(1), Service::Ledger)).await.unwrap();

    let shown = lab.admin(central(1)).get("/api/edges").await.unwrap().ok().unwrap();
    assert_eq!(shown["items"][2]["mode"], "emergency");
    set_mode(&lab, "normal").await;
    assert_eq!(stream.next().await["command"], "normal");
    assert_eq!(open(&edges[2], "77C-111.11").await.ok().unwrap()["decision"], "ask_staff");
}
