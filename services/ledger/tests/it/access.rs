//! Tokens, keys and the record of acts, on a real Postgres.

use std::time::Duration;

use serde::de::DeserializeOwned;
use uuid::Uuid;
use wire::access::{Grant, Holder, Role};
use wire::bus::access::{AccessAsk, Act, BookReply, Replaced};
use wire::bus::query::QueryReply;
use wire::bus::subject;
use wire::hash::Hash32;
use wire::http::Page;

use crate::rig::{Central, until};

async fn say(c: &Central, ask: &AccessAsk) -> QueryReply {
    c.bus.request_json(subject::LEDGER_ACCESS, ask, Duration::from_secs(5)).await.unwrap()
}

async fn ask<T: DeserializeOwned>(c: &Central, ask: &AccessAsk) -> T {
    match say(c, ask).await {
        QueryReply::Ok(body) => serde_json::from_str(body.get()).unwrap(),
        QueryReply::Problem(p) => panic!("{p:?}"),
    }
}

async fn refused(c: &Central, ask: &AccessAsk) -> (u16, String) {
    match say(c, ask).await {
        QueryReply::Problem(p) => (p.status, p.code),
        QueryReply::Ok(body) => panic!("{body}"),
    }
}

fn act(action: &str, at: i64) -> Act {
    Act {
        id: Uuid::new_v4(),
        at,
        who: "admin".to_owned(),
        name: None,
        role: Some(Role::Admin),
        address: Some("127.0.0.1".to_owned()),
        action: action.to_owned(),
        target: Some("edge-1".to_owned()),
        status: 200,
        result: "ok".to_owned(),
        detail: Some("with\0NUL".to_owned()),
    }
}

fn grant(id: &str, holder: Holder) -> Grant {
    Grant {
        id: id.to_owned(),
        hash: Hash32::of(&[id.as_bytes()]),
        holder,
        note: None,
        created_at: 0,
        created_by: "admin".to_owned(),
        expires_at: None,
        revoked_at: None,
        revoked_by: None,
    }
}

fn add(grant: Grant, replaces: Option<Replaced>) -> AccessAsk {
    AccessAsk::Add { grant: Box::new(grant), replaces, act: Box::new(act("add", kit::clock::now_ms())) }
}

fn revoke(id: &str, edge_id: Option<&str>) -> AccessAsk {
    let edge_id = edge_id.map(str::to_owned);
    AccessAsk::Revoke { id: id.to_owned(), edge_id, act: Box::new(act("revoke", kit::clock::now_ms())) }
}

fn lane(edge: &str) -> Holder {
    Holder::Lanes(vec![edge.to_owned()])
}

async fn book(c: &Central) -> Vec<String> {
    let reply: BookReply = ask(c, &AccessAsk::Book { known: None }).await;
    reply.grants.unwrap().into_iter().map(|g| g.id).collect()
}

async fn acts(c: &Central, action: Option<&str>, limit: u32, cursor: Option<String>) -> Page<Act> {
    let action = action.map(str::to_owned);
    ask(c, &AccessAsk::Acts { action, who: None, from: None, to: None, limit, cursor }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_in_survives_a_restart_and_a_change_is_recorded_with_it() {
    let mut c = Central::start("central-1").await;
    let before = kit::clock::now_ms();
    let person = Holder::Person { name: "An".to_owned(), role: Role::Operator };
    let kept: Grant = ask(&c, &add(grant("p1", person.clone()), None)).await;
    assert!(kept.created_at >= before, "the ledger's own clock");
    assert_eq!((&kept.holder, kept.hash), (&person, Hash32::of(&[b"p1"])));
    let _: Grant = ask(&c, &add(grant("k1", lane("edge-1")), None)).await;
    assert_eq!(book(&c).await, ["k1", "p1"]);

    // The same book is not sent twice.
    let first: BookReply = ask(&c, &AccessAsk::Book { known: None }).await;
    let again: BookReply = ask(&c, &AccessAsk::Book { known: Some(first.print) }).await;
    assert_eq!((again.print, again.grants), (first.print, None));

    c.restart().await;
    assert_eq!(book(&c).await, ["k1", "p1"]);
    let ended: Grant = ask(&c, &revoke("p1", None)).await;
    let twice: Grant = ask(&c, &revoke("p1", None)).await;
    assert_eq!(ended.revoked_at, twice.revoked_at, "the first word stands");
    assert_eq!(ended.revoked_by.as_deref(), Some("admin"));
    assert_eq!(book(&c).await, ["k1"]);
    // A person's token is no key of a lane, and the other way round.
    assert_eq!(refused(&c, &revoke("p1", Some("edge-1"))).await, (404, "unknown_key".to_owned()));
    assert_eq!(refused(&c, &revoke("k1", None)).await, (404, "unknown_token".to_owned()));
    assert_eq!(refused(&c, &revoke("k1", Some("edge-2"))).await, (404, "unknown_key".to_owned()));
    let people: Page<Grant> = ask(&c, &AccessAsk::List { edge_id: None, limit: 50, cursor: None }).await;
    assert_eq!(people.items, [ended]);
    let names: Vec<String> = acts(&c, None, 50, None).await.items.into_iter().map(|a| a.action).collect();
    assert_eq!(names, ["revoke", "revoke", "add", "add"], "refusals leave nothing behind");
    let mut conn = c.postgres.connect().await;
    let texts: Vec<String> = sqlx::query_scalar("select to_jsonb(g)::text from access_grants g")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert!(texts.iter().all(|t| !t.contains("pmt_")), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_key_ends_when_it_was_told_to_and_never_later() {
    let c = Central::start("central-1").await;
    let now = kit::clock::now_ms();
    let mut short = grant("k1", lane("edge-1"));
    short.expires_at = Some(now + 600_000);
    let _: Grant = ask(&c, &add(short, None)).await;
    let replaces = |id: &str, ends_at| Some(Replaced { id: id.to_owned(), ends_at });
    let _: Grant = ask(&c, &add(grant("k2", lane("edge-1")), replaces("k1", now + 900_000))).await;
    let keys = AccessAsk::List { edge_id: Some("edge-1".to_owned()), limit: 1, cursor: None };
    let page: Page<Grant> = ask(&c, &keys).await;
    assert_eq!(page.items[0].id, "k2", "newest first");
    let rest = AccessAsk::List { edge_id: Some("edge-1".to_owned()), limit: 1, cursor: page.next_cursor };
    let page: Page<Grant> = ask(&c, &rest).await;
    assert_eq!((page.items[0].id.as_str(), page.items[0].expires_at), ("k1", Some(now + 600_000)));
    assert_eq!(page.next_cursor, None);
    let _: Grant = ask(&c, &add(grant("k3", lane("edge-1")), replaces("k2", now + 1))).await;
    assert_eq!(refused(&c, &add(grant("k4", lane("edge-2")), replaces("k3", now))).await.1, "unknown_key");
    until("the ended key is gone", || async {
        // The book is made anew with the next change.
        let _: Grant = ask(&c, &revoke("k1", Some("edge-1"))).await;
        (book(&c).await == ["k3"]).then_some(())
    })
    .await;
    for n in 0..7 {
        let _: Grant = ask(&c, &add(grant(&format!("m{n}"), lane("edge-1")), None)).await;
    }
    assert_eq!(refused(&c, &add(grant("m7", lane("edge-1")), None)).await, (409, "too_many_keys".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_counts_an_act_once_and_is_read_in_pages() {
    let c = Central::start("central-1").await;
    // What is older than 400 days is forgotten.
    let now = kit::clock::now_ms();
    let noted: Vec<Act> = (0..5).map(|n| act(if n == 4 { "other" } else { "lane.mode" }, now + n)).collect();
    for _ in 0..2 {
        let QueryReply::Ok(_) = say(&c, &AccessAsk::Note(noted.clone())).await else { panic!("not noted") };
    }
    let first = acts(&c, Some("lane.mode"), 3, None).await;
    let rest = acts(&c, Some("lane.mode"), 3, first.next_cursor.clone()).await;
    let at: Vec<i64> = first.items.iter().chain(&rest.items).map(|a| a.at).collect();
    assert_eq!((at, rest.next_cursor), ([3, 2, 1, 0].map(|n| now + n).to_vec(), None));
    assert_eq!(first.items[0].detail.as_deref(), Some("with\u{fffd}NUL"));
    let bad = AccessAsk::Acts {
        action: None,
        who: None,
        from: None,
        to: None,
        limit: 5,
        cursor: Some("3132".to_owned()),
    };
    assert_eq!(refused(&c, &bad).await.0, 422);
    // What the digest and the log say of this central does not depend on it.
    let before = c.status().await.digest;
    let QueryReply::Ok(_) = say(&c, &AccessAsk::Note(vec![act("x", now)])).await else { panic!("not noted") };
    assert_eq!(c.status().await.digest, before);
}
