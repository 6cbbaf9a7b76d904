//! Who gets at a central's bus and database in the lab: everybody with a role of their own, and no further.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use async_nats::Client;
use lab::{Lab, bus};
use tokio::time::timeout;

use crate::support::{assert_passed, infrastructure, lab, settled, traffic};

const PATIENCE: Duration = Duration::from_secs(10);

/// What psql says: rows, or why not.
fn sql(url: &str, statement: &str) -> Result<String, String> {
    let out = Command::new("psql").args([url, "-XAtqc", statement]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
}

/// Refused for want of a right, not for a slip of the pen.
fn denied(url: &str, statement: &str) {
    let said = sql(url, statement).unwrap_err();
    let rights =
        ["permission denied", "must be superuser", "must be owner", "read-only transaction", "must have"];
    assert!(rights.iter().any(|why| said.contains(why)), "{statement}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledgers_role_has_its_database_and_nothing_else() {
    let lab = infrastructure("roles", 1).await;
    let entry = lab.file().centrals[0].clone();
    let ledger = entry.database_url.as_str();
    let rights = "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles where rolname = current_user";
    assert_eq!(sql(ledger, rights).unwrap(), "f|f|f|f|f");
    let members = "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname = current_user";
    assert_eq!(sql(ledger, members).unwrap(), "0");
    // It owns its database: it may make, fill and remove what it needs.
    for statement in ["create table stolen (line text)", "insert into stolen values ('mine')"] {
        sql(ledger, statement).unwrap();
    }
    for statement in [
        "copy stolen from '/etc/passwd'",
        "copy stolen to '/tmp/parkmesh-stolen'",
        "copy stolen from program 'id'",
        "select pg_read_file('/etc/passwd')",
        "create role more login",
        "alter role parkmesh superuser",
        "alter role parkmesh_reader password 'x'",
        "create database more",
        "alter system set log_statement = 'all'",
    ] {
        denied(ledger, statement);
    }
    assert_eq!(sql(ledger, "select line from stolen").unwrap(), "mine", "nothing was read from the server");
    // Emptied and filled again, it is still open to the reader.
    let anew = "set client_min_messages = warning; drop schema public cascade; create schema public; create table anew (n int)";
    sql(ledger, anew).unwrap();
    assert_eq!(sql(&entry.reader_url, "select count(*) from anew").unwrap(), "0");
    // No other database, and its password is nobody else's.
    let (server, _) = ledger.rsplit_once('/').unwrap();
    for other in ["postgres", "template1"] {
        denied(&format!("{server}/{other}"), "select 1");
    }
    let said = sql(&ledger.replace("//parkmesh:", "//postgres:"), "select 1").unwrap_err();
    assert!(said.contains("password authentication failed"), "{said}");
    let who = "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolcanlogin";
    assert_eq!(sql(ledger, who).unwrap(), "parkmesh parkmesh_reader postgres", "no other service has a role");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_reads_everything_and_writes_nothing() {
    let lab = lab("reader", 1).await;
    assert_passed(&traffic(&lab, 20.0, 2.0).await);
    let reader = lab.file().centrals[0].reader_url.clone();
    // Tables that the ledger made long after the role was.
    let held: u64 = sql(&reader, "select count(*) from events").unwrap().parse().unwrap();
    assert!(held > 0 && sql(&reader, "select count(*) from history").unwrap() != "0");
    for statement in [
        "delete from events",
        "update history set fee = 0",
        "insert into writer_head select * from writer_head",
        "truncate events",
        "drop table history",
        "create table mine (n int)",
        "create temporary table mine (n int)",
        "copy events to '/tmp/parkmesh-stolen'",
        "select pg_read_file('/etc/passwd')",
    ] {
        denied(&reader, statement);
        // What it is asked to leave, it can leave: the rights hold by themselves.
        denied(&reader, &format!("begin read write; {statement}"));
    }
    // A dump is reading.
    let dump = Command::new("pg_dump").args(["--no-owner", "--no-privileges", &reader]).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8_lossy(&dump.stdout);
    assert!(text.contains("CREATE TABLE public.events") && !text.contains("parkmesh_reader"));
    let after: u64 = sql(&reader, "select count(*) from events").unwrap().parse().unwrap();
    assert!(after >= held);
}

fn password(lab: &Lab, user: &str) -> String {
    fs::read_to_string(lab.layout().root().join(format!("secrets/nats-{user}"))).unwrap()
}

async fn login(lab: &Lab, user: &str, password: &str) -> anyhow::Result<Client> {
    let url = lab.file().centrals[0].nats_url.clone();
    let (_, host) = url.rsplit_once('@').unwrap();
    timeout(PATIENCE, bus::connect(&format!("nats://{user}:{password}@{host}"))).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bus_of_the_lab_takes_nobody_without_a_password() {
    let lab = lab("bus", 2).await;
    // All services work: each with its own password, for another's would not fit its name.
    assert_passed(&traffic(&lab, 20.0, 1.0).await);
    settled(&lab).await;
    let url = lab.file().centrals[0].nats_url.clone();
    let (_, host) = url.rsplit_once('@').unwrap();
    assert!(async_nats::connect(format!("nats://{host}")).await.is_err(), "without a password");
    for (user, wrong) in [
        ("ledger", password(&lab, "mesh")),
        ("ledger", String::from("guess")),
        ("lab", password(&lab, "ledger")),
        ("root", password(&lab, "lab")),
    ] {
        assert!(login(&lab, user, &wrong).await.is_err(), "{user}");
    }
    for user in ["edge-gateway", "ledger", "mesh", "sync", "observer", "lab"] {
        let file = lab.layout().root().join(format!("secrets/nats-{user}"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        login(&lab, user, &password(&lab, user)).await.unwrap();
    }
    for file in ["central-1/nats.conf", "lab.json", "settings.json"] {
        let file = lab.layout().root().join(file);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    // The URL of lab.json is of a user that may do everything.
    let tool = bus::connect(&url).await.unwrap();
    assert!(tool.subscribe(">").await.is_ok());
    assert!(tool.request("pm.ledger.query", "{}".into()).await.is_ok());
}
